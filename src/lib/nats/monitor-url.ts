import {UsageError} from '../errors.js'
import {withoutUserInfo} from './addresses.js'

/** Parses the address of a server's monitoring port, such as `http://127.0.0.1:8222`; throws a UsageError for others. */
export function parseMonitorUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new UsageError(`${JSON.stringify(withoutUserInfo(text))} is not the address of a server's monitoring port.`, {
      suggestions: ['--monitor-url http://HOST:8222'],
    })
  }
  return url
}
