import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

import type {Answer, CheckReport, Question} from '../../src/lib/check/report.js'
import ContextCheck from '../../src/commands/context/check.js'
import {run, type RunResult} from './run.js'

/** What `context check --json` said, and how it ended. */
export interface Checked {
  readonly report: CheckReport
  readonly exitCode: number
  /** The first answer to a question. */
  readonly answer: (check: Question) => Answer
  /** Every answer to a question that has several. */
  readonly answers: (check: Question) => Answer[]
  /** Subjects that an ability lacks, with their direction. */
  readonly lacks: (check: Question) => string[]
}

const cleared = /^(?:LATTICE|NATS|XDG|NSC|NKEYS)_/

/** Runs the command in this process with no variable of the user's that decides a connection. */
export function runCheck(env: Readonly<Record<string, string>>, ...argv: readonly string[]): Promise<RunResult> {
  const none = Object.fromEntries(
    Object.keys(process.env).flatMap((name) => (cleared.test(name) ? [[name, undefined] as const] : [])),
  )
  return run(ContextCheck, argv, {...none, ...env})
}

/** The report of a check that ends with one. */
export async function check(env: Readonly<Record<string, string>>, ...argv: readonly string[]): Promise<Checked> {
  const result = await runCheck(env, '--json', ...argv)
  const report = result.json() as CheckReport
  if (!Array.isArray(report.checks)) throw new Error(`The check failed: ${result.stdout}`)
  const answers = (check: Question): Answer[] => report.checks.filter((one) => one.check === check)
  const answer = (check: Question): Answer => {
    const [first] = answers(check)
    if (first === undefined) throw new Error(`Nothing was said about '${check}'.`)
    return first
  }
  return {
    report,
    exitCode: result.exitCode,
    answer,
    answers,
    lacks: (check) => (answer(check).lacks ?? []).map(({direction, subject}) => `${direction} ${subject}`),
  }
}

/** Writes a context below a configuration folder: natscli's file and ours. */
export async function contextIn(config: string, name: string, nats: object, lattice: object = {}): Promise<void> {
  for (const [folder, fields] of [
    [join('nats', 'context'), nats],
    [join('lattice', 'contexts'), lattice],
  ] as const) {
    await mkdir(join(config, folder), {recursive: true})
    await writeFile(join(config, folder, `${name}.json`), JSON.stringify(fields), {mode: 0o600})
  }
}
