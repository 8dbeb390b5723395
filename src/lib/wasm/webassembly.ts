// Only TypeScript's DOM library describes WebAssembly, and with it much that Node does not have.

/** A compiled module; workers share it without compiling again. */
export interface CompiledModule {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module'
}

export interface ModuleImport {
  readonly module: string
  readonly name: string
  readonly kind: string
}

export type ImportFunction = (...args: never[]) => number | undefined

export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>
}

export interface WasmMemory {
  /** Another object after each growth. */
  readonly buffer: ArrayBuffer
}

interface WebAssemblyApi {
  readonly Module: {
    new (bytes: Uint8Array): CompiledModule
    imports: (module: CompiledModule) => ModuleImport[]
    exports: (module: CompiledModule) => Omit<ModuleImport, 'module'>[]
  }
  readonly Instance: new (
    module: CompiledModule,
    imports: Readonly<Record<string, Readonly<Record<string, ImportFunction>>>>,
  ) => WasmInstance
}

export const wasmApi = (globalThis as unknown as {readonly WebAssembly: WebAssemblyApi}).WebAssembly
