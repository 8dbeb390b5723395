import {hideInLines, secretName} from './secret-text.js'
import {isJsonRecord} from './universal.js'

/** True for a field whose value is not to be shown. */
export function isSecretName(name: string): boolean {
  return secretName.test(name)
}

/** The names among these whose values are secrets: on a command line others can read them. */
export function secretNames(names: readonly string[]): string[] {
  return names.filter(isSecretName)
}

/**
 * The value as it may be shown: what stands under a name such as `password` is `set`, user info in addresses is left
 * out, and JSON inside a text (`config_json`, `config_b64`) is treated the same, as are the lines of any other text.
 */
export function hideSecrets(value: unknown): unknown {
  if (typeof value === 'string') return hideInText(value)
  if (Array.isArray(value)) return value.map(hideSecrets)
  if (!isPlainObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, hideField(name, field)]))
}

function hideField(name: string, value: unknown): unknown {
  if (isSecretName(name)) return value === '' || value === null ? value : 'set'
  if (name === 'config_b64' && typeof value === 'string') {
    const text = Buffer.from(value, 'base64').toString('utf8')
    return hideInText(text) === text ? value : 'set'
  }
  return hideSecrets(value)
}

function hideInText(text: string): string {
  // A pattern that begins with the scheme would look for its end from every letter of a long text.
  const withoutUsers = text.replace(/(?<=[a-z0-9+.-]:\/\/)[^\s/?#@"']+(?:@[^\s/?#@"']+)*@/gi, 'set@')
  if (!/^\s*[{[]/.test(text)) return hideInLines(withoutUsers)
  try {
    const parsed: unknown = JSON.parse(text)
    const hidden = JSON.stringify(hideSecrets(parsed))
    return hidden === JSON.stringify(parsed) ? text : hidden
  } catch {
    return hideInLines(withoutUsers)
  }
}

/** Raw JSON numbers are objects too, with a null prototype that JSON alone understands. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return isJsonRecord(value) && Object.getPrototypeOf(value) !== null
}
