import {execFile} from 'node:child_process'
import {dirname} from 'node:path'

import {UnsafeError, UsageError} from '../errors.js'
import {findNatsServer} from '../server/find.js'

/** Whether a nats-server takes a file. */
export type FileCheck = {readonly ok: true} | {readonly ok: false; readonly reason: string}

/** Finds the program that checks files; undefined where there is none. */
export async function findChecker(): Promise<string | undefined> {
  try {
    return (await findNatsServer())?.path
  } catch (error) {
    if (error instanceof UsageError) return undefined
    throw error
  }
}

/** Runs `nats-server -c FILE -t` beside the file, where its relative paths are most likely to be right. */
export function checkFile(program: string, file: string): Promise<FileCheck> {
  return new Promise((resolve) => {
    execFile(program, ['-c', file, '-t'], {cwd: dirname(file), timeout: 10_000}, (error, stdout, stderr) => {
      const lines = `${stderr}\n${stdout}`.split('\n').map((line) => line.trim())
      const reason = lines.findLast((line) => line !== '') ?? error?.message ?? ''
      resolve(error === null ? {ok: true} : {ok: false, reason: reason.replace(/^nats-server: /, '')})
    })
  })
}

/** `nats-server -t` took the file as it was and not with our change; the file is as it was. */
export class RefusedByCheckError extends UnsafeError {
  constructor(file: string, reason: string) {
    super(`nats-server -t refuses '${file}' with the new mappings, and nothing was changed: ${reason}.`, {
      suggestions: [`nats-server -c ${file} -t`],
      details: {file, reason},
    })
  }
}
