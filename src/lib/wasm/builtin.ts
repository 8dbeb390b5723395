import {randomBytes, randomInt, randomUUID} from 'node:crypto'
import {createRequire} from 'node:module'

import type * as MessagePack from '@msgpack/msgpack'

const loggingNamespace = 'wasmcloud:builtin:logging'
const numberNamespace = 'wasmcloud:builtin:numbergen'
const largest = 0xffff_ffff

// A third of a worker's start would go into loading the codec, and most actors never need it.
const load = createRequire(import.meta.url)
const codec = (): typeof MessagePack => load('@msgpack/msgpack') as typeof MessagePack

/** True for the namespaces that the host answers itself. */
export function isBuiltin(namespace: string): boolean {
  return namespace === loggingNamespace || namespace === numberNamespace
}

/** Answers a call to a built-in namespace (reference: wasmcloud v0, §10); throws an Error whose text is for the guest. */
export function callBuiltin(
  operation: string,
  payload: Uint8Array,
  log: (line: string) => void,
): Uint8Array<ArrayBuffer> {
  const name = operation.slice(operation.lastIndexOf('/') + 1)
  switch (name) {
    case 'Logging.WriteLog': {
      const {level, text} = fields(payload)
      log(`${typeof level === 'string' && level !== '' ? level : 'info'}: ${typeof text === 'string' ? text : ''}`)
      return new Uint8Array()
    }
    case 'NumberGen.GenerateGuid':
      return codec().encode(randomUUID())
    case 'NumberGen.Random32':
      return codec().encode(randomBytes(4).readUInt32BE())
    case 'NumberGen.RandomInRange': {
      const {min, max} = fields(payload)
      if (!isU32(min) || !isU32(max) || min > max)
        throw new Error('RandomInRange needs min and max, the first not above the second.')
      return codec().encode(randomInt(min, max + 1))
    }
    default:
      throw new Error(`There is no operation ${JSON.stringify(name.slice(0, 100))} in the built-in namespaces.`)
  }
}

function fields(payload: Uint8Array): Readonly<Record<string, unknown>> {
  const value = codec().decode(payload)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function isU32(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= largest
}
