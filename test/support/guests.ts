import {readFile} from 'node:fs/promises'

import {createKey} from '../../src/lib/keys/nkey.js'
import {signModule} from '../../src/lib/wasm/module.js'

const probe = new URL('../fixtures/probe/assembly/', import.meta.url)
const echo = new URL('../../examples/echo/assembly/', import.meta.url)
const folders = {probe: [probe, echo], echo: [echo]}

export type GuestName = keyof typeof folders

/** Compiles an actor's sources, unsigned, with its imports from `wasmbus` or from `wapc`. */
export function compileGuest(
  name: GuestName,
  {version = '1.0.0', importFrom = 'wasmbus'}: {version?: string; importFrom?: 'wasmbus' | 'wapc'} = {},
): Promise<Uint8Array> {
  return compile(async (file) => {
    if (file === 'version.ts') return `export const version: string = ${JSON.stringify(version)}\n`
    const source = await readFirst(folders[name].map((folder) => new URL(file, folder)))
    return source?.replaceAll("@external('wasmbus'", `@external('${importFrom}'`)
  })
}

/** Compiles one AssemblyScript file, unsigned. */
export function compileSource(source: string): Promise<Uint8Array> {
  return compile((file) => Promise.resolve(file === 'index.ts' ? source : undefined))
}

/** A signed actor with new keys. */
export async function signedGuest(name: GuestName, version = '1.0.0'): Promise<Uint8Array> {
  const keys = {key: createKey('M').publicKey, issuer: createKey('A')}
  const issuedAt = Math.floor(Date.now() / 1000)
  return signModule(await compileGuest(name, {version}), {...keys, name, version, issuedAt})
}

async function compile(read: (file: string) => Promise<string | undefined>): Promise<Uint8Array> {
  const {default: asc} = await import('assemblyscript/asc')
  let wasm: Uint8Array | undefined
  let messages = ''
  const collect = {
    write: (text: string | Uint8Array) => {
      messages += text.toString()
    },
  }
  const {error} = await asc.main(['index.ts', '--outFile', 'out.wasm', '--runtime', 'minimal', '--use', 'abort='], {
    stderr: collect,
    listFiles: () => [],
    readFile: async (file: string) => (await read(file)) ?? null,
    writeFile: (_file: string, contents: string | Uint8Array) => {
      wasm = contents as Uint8Array
    },
  })
  if (error !== null || wasm === undefined) throw new Error(`The guest does not compile: ${messages}`)
  return wasm
}

async function readFirst(files: readonly URL[]): Promise<string | undefined> {
  for (const file of files) {
    try {
      return await readFile(file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return undefined
}
