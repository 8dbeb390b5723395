import {formatLossless} from '../keys/token.js'
import {typedKindOf, type RecordAddress} from '../records/registry.js'
import {decodeValue} from './entry.js'

/**
 * What a user gave, as it is to be composed: YAML becomes JSON where the record is JSON, which that of a raw key is only
 * when `yaml` says so; `false` says that it is no YAML anyway. Throws a UsageError for what is neither.
 */
export async function readGiven(
  address: RecordAddress,
  value: Uint8Array | undefined,
  {yaml = typedKindOf(address) !== undefined}: {readonly yaml?: boolean | undefined} = {},
): Promise<Uint8Array | undefined> {
  if (value === undefined || !yaml) return value
  const {format, value: text} = decodeValue(value)
  if (format !== 'text') return value
  const {parseYaml} = await import('../records/yaml.js')
  return new TextEncoder().encode(formatLossless(await parseYaml(text as string)))
}
