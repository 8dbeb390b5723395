import {ServerError} from '../errors.js'

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'the permissions do not allow it',
  EPERM: 'the permissions do not allow it',
  ENOTDIR: 'a part of the path is not a folder',
  EIO: 'the disk reports an error',
}

/** Runs file work and turns what a disk or its permissions refuse into a ServerError that begins with `sentence`. */
export async function withFileErrors<T>(sentence: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const {code, path} = cause as NodeJS.ErrnoException
    const reason = code === undefined ? undefined : reasons[code]
    if (reason === undefined) throw cause
    throw new ServerError(`${sentence}: ${reason}.`, {cause, details: {code, ...(path === undefined ? {} : {path})}})
  }
}
