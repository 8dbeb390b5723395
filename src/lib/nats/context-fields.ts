import {resolve} from 'node:path'

import {shellWord} from '../entity/require.js'
import {ConnectionError, UsageError} from '../errors.js'
import type {Context} from './context-files.js'

/** Fields in which natscli takes a reference instead of the secret. */
const referenceFields = new Set(['creds', 'nkey', 'token', 'password', 'user_jwt', 'user_seed', 'nsc'])
/** Fields of which no other reference than `file://…` is taken. */
const fileFields = new Set(['ca', 'cert', 'key'])
/** natscli's fields that only its own commands use. */
export const ignoredFields: ReadonlySet<string> = new Set(['description', 'color_scheme', 'jetstream_event_prefix'])
/** Fields with the path of a file. */
export const pathFields = ['creds', 'nkey', 'cert', 'key', 'ca'] as const
const secretFields = ['token', 'password', 'user_jwt', 'user_seed'] as const
const windowsFields = new Set([
  ...['windows_cert_store', 'windows_cert_match_by', 'windows_cert_match', 'windows_ca_certs_match'],
])

/** Throws a ConnectionError that names a field which cannot be honoured. */
export function refuseFields(name: string, nats: Context['nats']): void {
  for (const [field, value] of Object.entries(nats)) {
    const there = typeof value === 'string' ? value !== '' : Array.isArray(value) && value.length > 0
    if (there && windowsFields.has(field)) throw new UnsupportedFieldError(name, field, 'needs Windows')
    const fits = referenceFields.has(field) || ignoredFields.has(field) || (fileFields.has(field) && isFile(value))
    if (there && isReference(value) && !fits) {
      throw new UnsupportedFieldError(name, field, 'cannot be a reference')
    }
  }
}

function isFile(value: unknown): boolean {
  return typeof value === 'string' && /^file:\/\//i.test(value)
}

/** True for a value that says where a secret is instead of being one. */
export function isReference(value: unknown): boolean {
  return typeof value === 'string' && /^(?:(?:op|nsc|env|file):\/\/|data:)/i.test(value)
}

class UnsupportedFieldError extends ConnectionError {
  constructor(context: string, field: string, reason: string) {
    super(`The field '${field}' of context '${context}' ${reason}.`, {
      suggestions: ['--context NAME, of one without that field', `lattice context show ${shellWord(context)}`],
      details: {context, field},
    })
  }
}

/** A parser of a field's text whose UsageErrors become ConnectionErrors that say where the text stands. */
export function fieldErrors<A extends unknown[], T>(
  parse: (...text: A) => T,
  context: string,
  field: string,
): (...text: A) => T {
  return (...text) => {
    try {
      return parse(...text)
    } catch (error) {
      throw error instanceof UsageError ? new UnusableFieldError(context, field, error) : error
    }
  }
}

class UnusableFieldError extends ConnectionError {
  constructor(context: string, field: string, cause: UsageError) {
    super(`The field '${field}' of context '${context}' cannot be used: ${cause.message}`, {
      suggestions: [`lattice context show ${shellWord(context)}`],
      details: {context, field},
      cause,
    })
  }
}

/** The fields of a file given by path: a relative path in it is meant from its folder, as `nats` takes it. */
export function fieldsBeside(nats: Context['nats'], folder: string): Context['nats'] {
  return {
    ...nats,
    ...Object.fromEntries(pathFields.map((field) => [field, pathBeside(folder, nats[field])])),
    ...Object.fromEntries(secretFields.map((field) => [field, referenceBeside(folder, nats[field])])),
  }
}

/** Other references and variables stay. */
function pathBeside(folder: string, value: string | undefined): string | undefined {
  return value && !/^(?:[~$]|\w\w+:)/.test(value) ? resolve(folder, value) : referenceBeside(folder, value)
}

function referenceBeside(folder: string, value: string | undefined): string | undefined {
  const path = /^file:\/\/([^~$/\\].*)$/is.exec(value ?? '')?.[1]
  return path === undefined ? value : `file://${resolve(folder, path)}`
}
