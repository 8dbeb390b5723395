import {UsageError} from '../errors.js'
import {formatPlace, type Place} from './tree.js'

/** A server's configuration that cannot be read, or that the server would read in a way nobody means. */
export class ConfigTextError extends UsageError {
  constructor(reason: string, at: Place) {
    super(`${formatPlace(at)}: ${reason}.`, {
      suggestions: [`nats-server -c ${at.file} -t`],
      details: {...at},
    })
  }
}
