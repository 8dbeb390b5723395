import {findByName, listNscAccounts, listNscUsers, openNscOperator, type NscOperator} from './operator.js'

/**
 * The creds file of the user of `nsc://OPERATOR/ACCOUNT/USER`, read from the store without the program; undefined when
 * the reference leads to none, or has options that only the program knows.
 */
export async function findReferencedCreds(reference: string): Promise<string | undefined> {
  if (reference.includes('?')) return undefined
  const [, accountName, userName] = partsOf(reference)
  const operator = accountName && userName ? await findOperator(reference) : undefined
  if (!operator || !accountName || !userName) return undefined
  const account = findByName(await listNscAccounts(operator), accountName)
  const user = account === undefined ? undefined : findByName(await listNscUsers(operator, account), userName)
  return user?.credsFile
}

/** The addresses of the servers of the operator that a reference names; none when there are none. */
export async function findReferencedServers(reference: string): Promise<readonly string[]> {
  return (await findOperator(reference))?.serviceUrls ?? []
}

async function findOperator(reference: string): Promise<NscOperator | undefined> {
  const [name] = partsOf(reference)
  return name && !/[/\\]|^[~.$]/.test(name) ? openNscOperator(name).catch(() => undefined) : undefined
}

function partsOf(reference: string): string[] {
  return reference
    .replace(/^nsc:\/\//i, '')
    .split('?', 1)[0]!
    .split('/')
    .map(decode)
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
