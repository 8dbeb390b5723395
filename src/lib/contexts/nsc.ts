import {dirname} from 'node:path'

import {shellWord} from '../entity/require.js'
import {NotFoundError} from '../errors.js'
import {
  listNscAccounts,
  listNscOperators,
  listNscUsers,
  openNscOperator,
  type NscAccount,
  type NscOperator,
  type NscUser,
} from '../nsc/operator.js'
import type {ContextDraft, Drafts} from './draft.js'

/**
 * Reads every user of nsc's stores, or of one operator given by name or folder, as a draft called
 * `operator/account/user`. A context points to the store, which gives operator key and system user when they are needed.
 */
export async function readNsc(given: string | undefined): Promise<Drafts> {
  const operators = given === undefined ? await listNscOperators() : [await openNscOperator(given)]
  const [first] = operators
  if (first === undefined) {
    throw new NotFoundError('No store of nsc is there.', {
      suggestions: ['lattice context import --from nsc --dir FOLDER', 'NSC_HOME and XDG_DATA_HOME'],
    })
  }
  const drafts = (await Promise.all(operators.map(operatorDrafts))).flat()
  const usable = drafts.filter(({isSystem, problem}) => !isSystem && problem === undefined)
  return {
    folder: given === undefined ? dirname(first.folder) : first.folder,
    drafts: drafts.map(({isSystem: _isSystem, ...draft}) => draft),
    // nsc selects accounts and no users.
    ...(usable.length === 1 ? {preferred: usable[0]!.from} : {}),
  }
}

type NscDraft = ContextDraft & {readonly isSystem: boolean}

async function operatorDrafts(operator: NscOperator): Promise<NscDraft[]> {
  const accounts = await listNscAccounts(operator)
  const drafts = accounts.map(async (account) =>
    (await listNscUsers(operator, account)).map((user) => draftOf(operator, account, user)),
  )
  return (await Promise.all(drafts)).flat()
}

function draftOf(operator: NscOperator, account: NscAccount, user: NscUser): NscDraft {
  const parts = [operator.name, account.name, user.name]
  const isSystem = account.key === operator.systemAccount
  const urls = operator.serviceUrls.filter((url) => /^(?:nats|tls):\/\//i.test(url))
  return {
    from: parts.join('/'),
    name: parts.map(plain).join('-'),
    origin: `User '${user.name}' of account '${account.name}' (nsc operator '${operator.name}')`,
    nats: {
      ...(urls.length === 0 ? {} : {url: urls.join(',')}),
      ...(user.credsFile === undefined ? {} : {creds: user.credsFile}),
    },
    lattice: isSystem ? {} : {nscStore: operator.folder},
    notes: urls.length === 0 ? ['the operator names no service URL, so the URL is the default one'] : [],
    // A reference nsc://… would lead to the same file.
    ...(user.credsFile === undefined ? {problem: `nsc has no creds file of it: ${credsCommand(account, user)}`} : {}),
    isSystem,
  }
}

function credsCommand(account: NscAccount, user: NscUser): string {
  return `nsc generate creds -a ${shellWord(account.name)} -n ${shellWord(user.name)} -o FILE`
}

/** Names of nsc may hold what no file name may. */
function plain(name: string): string {
  return name.replace(/[\s/\\\p{C}]+/gu, '-').replace(/^\.+|\.{2,}/g, '-')
}
