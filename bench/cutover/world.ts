import type {Routes} from '../../src/lib/routes/routes.js'

/** Servers with an account whose routes are changed under load, and how a change is made on them. */
export interface World extends AsyncDisposable {
  readonly name: string
  readonly tasks: readonly LoadTask[]
  /** All that a command opens: its connections, and the routes. */
  open: () => Promise<{readonly routes: Routes} & AsyncDisposable>
  /** All that the program needs to know besides the change. */
  readonly env: Readonly<Record<string, string>>
  /** The rival: make another change of the same size live by hand, wait for the answers, and believe them; in milliseconds. */
  bare: () => Promise<number>
}

/** Requests that a process of its own sends and answers. */
export interface LoadTask {
  readonly name: string
  readonly source: string
  /** A second, over all callers. */
  readonly rate: number
  readonly callers: readonly LoadUser[]
  readonly workers: readonly LoadUser[]
  readonly legs: readonly {readonly version: string; readonly subject: string}[]
}

/** A user at a server, by a creds file or by a name that is its password. */
export interface LoadUser {
  readonly url: string
  readonly creds?: string
  readonly user?: string
  /** Without any, as at a leaf node on this machine. */
  readonly anonymous?: true
}

/** What callers inside the account use, and what callers of another account's services use. */
export const near = splitOf('near', 'within the account')
export const far = splitOf('far', 'from another account, split by the importer')
export const farLegs = far.legs.map(({subject}) => subject)

interface Split {
  readonly name: string
  readonly source: string
  readonly legs: LoadTask['legs']
  /** The flags that name it. */
  readonly words: readonly string[]
}

function splitOf(prefix: string, name: string): Split {
  const source = `${prefix}.get`
  const legs = [1, 2].map((major) => ({version: `${major}.0.0`, subject: `${prefix}.v${major}.get`}))
  const words = ['--source', source, ...legs.flatMap(({version, subject}) => ['--leg', `${version}=${subject}`])]
  return {name, source, legs, words}
}

/** The load of a world, half within the account and half from the other one. */
export function loadTasks(
  rate: number,
  users: Readonly<Record<'callers' | 'workers' | 'farWorkers', readonly LoadUser[]>>,
): LoadTask[] {
  const {callers, workers, farWorkers} = users
  const task = ({name, source, legs}: Split, served: readonly LoadUser[]): LoadTask => {
    return {name, source, rate: rate / 2, callers, workers: served, legs}
  }
  return [task(near, workers), task(far, farWorkers)]
}
