import {UsageError} from '../errors.js'
import {withoutUserInfo} from '../nats/addresses.js'

const variable = 'LATTICE_CP_URL'

/**
 * Parses the address of a control plane, such as `https://cloud.synadia.com`; without a scheme it is https. A `/api` at
 * its end is left out, because every path begins with it. Throws a UsageError.
 */
export function parseControlPlaneUrl(text: string): URL {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`
  const url = URL.canParse(whole) ? new URL(whole) : undefined
  const plain = url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === ''
  if (!plain || url.username !== '' || url.password !== '') {
    throw new UsageError(
      `${variable}=${JSON.stringify(withoutUserInfo(text))} is not the address of a control plane.`,
      {
        suggestions: [`${variable}=https://cloud.synadia.com`],
      },
    )
  }
  url.pathname = url.pathname.replace(/\/+$/, '').replace(/\/api$/, '')
  return url
}

/** True where a token would travel over a network as plain text. */
export function isUnencrypted({protocol, hostname}: URL): boolean {
  return protocol === 'http:' && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
}

/** An address as sentences show it. */
export function shownUrl({protocol, host, pathname}: URL): string {
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}
