import {shellWord} from '../entity/require.js'
import type {Lack} from './permissions.js'

/** Whose permissions they are, as far as it is known. */
export interface Grantee {
  readonly user?: string
  readonly account?: string
  /** True when a token says what the user may do. */
  readonly token: boolean
  /** Key that signed the user's token and whose permissions the user has. */
  readonly scopedBy?: string
}

/** How to let the user do what it lacks: lines of nsc where tokens say it, words where a configuration does. */
export function fixOf(lacks: readonly Lack[], grantee: Grantee): string[] {
  const allowed = lacks.filter(({reason}) => reason === 'notAllowed')
  const denied = lacks.filter(({reason}) => reason === 'denied')
  return [
    ...(allowed.length === 0 ? [] : grantee.token ? nscLines(allowed, grantee) : words(allowed, grantee)),
    ...denialWords(denied, grantee),
  ]
}

function nscLines(lacks: readonly Lack[], {user = 'USER', account = 'ACCOUNT', scopedBy}: Grantee): string[] {
  const what =
    scopedBy === undefined
      ? ['edit', 'user', '--account', account, '--name', user]
      : ['edit', 'signing-key', '--account', account, '--sk', scopedBy]
  const flags = (['publish', 'subscribe'] as const).flatMap((direction) => {
    const subjects = subjectsOf(lacks, direction)
    return subjects.length === 0 ? [] : [direction === 'publish' ? '--allow-pub' : '--allow-sub', subjects.join(',')]
  })
  const edit = ['nsc', ...what, ...flags].map(shellWord).join(' ')
  return scopedBy === undefined
    ? [
        edit,
        ['nsc', 'generate', 'creds', '--account', account, '--name', user, '--output-file', 'FILE']
          .map(shellWord)
          .join(' '),
      ]
    : [edit, ['nsc', 'push', '--account', account].map(shellWord).join(' ')]
}

function words(lacks: readonly Lack[], grantee: Grantee): string[] {
  return (['publish', 'subscribe'] as const).flatMap((direction) => {
    const list = listOf(subjectsOf(lacks, direction))
    return list === '' ? [] : [`Let ${ownerOf(grantee)} ${direction}: [${list}]`]
  })
}

function denialWords(lacks: readonly Lack[], grantee: Grantee): string[] {
  const parts = lacks.map(({direction, subject, denied}) => ({direction, subject: denied ?? subject}))
  return (['publish', 'subscribe'] as const).flatMap((direction) => {
    const list = listOf(subjectsOf(parts, direction))
    return list === '' ? [] : [`Take away what denies ${ownerOf(grantee)} to ${direction}: [${list}]`]
  })
}

function listOf(subjects: readonly string[]): string {
  return subjects.map((subject) => JSON.stringify(subject)).join(', ')
}

function ownerOf({user}: Grantee): string {
  return user === undefined ? 'the user' : `user '${user}'`
}

function subjectsOf(lacks: readonly Pick<Lack, 'direction' | 'subject'>[], direction: Lack['direction']): string[] {
  return [...new Set(lacks.flatMap((lack) => (lack.direction === direction ? [lack.subject] : [])))]
}
