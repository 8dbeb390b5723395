import {RevisionConflictError} from '../cache/bucket-errors.js'
import type {LatticeCache} from '../cache/cache.js'
import {describeChange, type CacheChange} from '../cache/change.js'
import type {Comparable} from '../cache/compare.js'
import {lookLine, recordWords} from '../cache/conflict.js'
import type {StoredRecord} from '../cache/entry.js'
import {refuseRoutes, writeRecord, type PutOptions, type Target} from '../cache/write.js'
import {InterruptedError, LatticeError, UsageError} from '../errors.js'
import {formatLossless} from '../keys/token.js'
import {equalValues} from '../records/diff.js'
import type {RecordAddress} from '../records/registry.js'
import {mergeSides, readBase, threeWayConflict, type Base} from './conflict.js'
import {Draft} from './draft.js'
import {formOf, readValue, renderValue, withHeader, withoutAddedEnd, withoutHeader, type Form} from './text.js'

export interface EditOptions extends Pick<PutOptions, 'bucket' | 'dryRun' | 'validate'> {
  /** Lets the person edit a file, and resolves when that is done. */
  readonly openEditor: (file: string) => Promise<void>
  /** Asks the person; undefined where nobody can answer, and then nothing is offered twice. */
  readonly ask: ((question: string) => Promise<boolean>) | undefined
  /** Takes lines for the person. */
  readonly report: (line: string) => void
}

interface Edit {
  readonly cache: LatticeCache
  readonly address: RecordAddress
  readonly form: Form
  readonly draft: Draft
  readonly options: EditOptions
}

/** Where the person is: what the text started from, and why it was given again. */
interface Round {
  readonly base: Base
  readonly pending?: LatticeError
}

const hint = 'Save and close to write it. Closed unchanged, or emptied, it leaves the record as it is.'
/** Lines of ours above a text that could not be read: the reason, what it is about, and the hint. */
const headerOfErrors = 3

/**
 * Lets a person edit one record as YAML, and writes it by compare-and-set. What is not valid is given back with the
 * error above it, and after a change by others the changes of both are given. Whatever was typed and not written stays
 * in a file, which the error names.
 */
export async function editRecord(cache: LatticeCache, {kind, key}: Target, options: EditOptions): Promise<CacheChange> {
  refuseRoutes(cache, kind, options.bucket)
  const stored = await cache.read(kind, key, {bucket: options.bucket, words: ['cache', 'edit']})
  const {address, entry} = stored
  const form = formOf(stored, lookLine(cache, address))
  const draft = await Draft.open(
    form === 'yaml' ? `${kind}.yaml` : `${kind}.txt`,
    await firstText(stored, form, aboutLine(cache, address, entry.revision)),
  )
  const edit = {cache, address, form, draft, options}
  options.report(`What you type is in ${draft.path} until it is written.`)
  const change = await editUntilDone(edit, {base: {revision: entry.revision, entry}})
  if (change.changed && change.dryRun) options.report(`What you typed is kept in ${draft.path}`)
  else await draft.remove()
  return change
}

async function editUntilDone(edit: Edit, first: Round): Promise<CacheChange> {
  let round = first
  try {
    for (;;) {
      const next = await editOnce(edit, round)
      if ('operation' in next) return next
      round = next
    }
  } catch (error) {
    throw await keepWork(edit, round.base, error)
  }
}

/** The outcome, or the next round. */
async function editOnce(edit: Edit, round: Round): Promise<CacheChange | Round> {
  const {form, draft, options} = edit
  await options.openEditor(draft.path)
  const typed = await draft.read()
  const body = form === 'yaml' ? withoutHeader(typed) : typed
  if (body.trim() === '') throw new InterruptedError('The file was emptied, so nothing was written.')
  if (typed === draft.given) {
    if (round.pending === undefined) return unchanged(edit, round.base)
    const agreed = round.pending instanceof RevisionConflictError && (await options.ask?.('Write it as it stands?'))
    if (agreed !== true) throw round.pending
  }
  try {
    return await store(edit, round.base, body)
  } catch (error) {
    if (error instanceof RevisionConflictError) return offerMerge(edit, round.base, {typed, body})
    if (error instanceof UsageError) return offerAgain(edit, round.base, {body, error})
    throw error
  }
}

async function store(edit: Edit, base: Base, body: string): Promise<CacheChange> {
  const {cache, address, options} = edit
  const mine = await readMine(edit, base, body)
  const before = base.entry
  if (before?.format === mine.format && equalValues(before.value, mine.value)) {
    return unchanged(edit, base)
  }
  const {bucket, dryRun, validate} = options
  const text = mine.format === 'json' ? formatLossless(mine.value) : String(mine.value)
  const value = new TextEncoder().encode(text)
  return writeRecord(cache, address, {value, revision: base.revision, bucket, dryRun, validate, yaml: false})
}

async function readMine({form}: Edit, {entry}: Base, body: string): Promise<Comparable> {
  if (form === 'yaml') return {format: 'json', value: await readValue(body, headerOfErrors)}
  return {format: 'text', value: withoutAddedEnd(body, typeof entry?.value === 'string' ? entry.value : '')}
}

function unchanged({cache, address, options: {dryRun = false}}: Edit, {entry, revision}: Base): CacheChange {
  if (entry === undefined) throw cache.missing(address)
  return {...describeChange(cache, entry, {operation: 'put', dryRun}), changed: false, revision}
}

/** Gives the text back with the reason why it was not written. */
async function offerAgain(
  {cache, address, form, draft, options: {ask, report}}: Edit,
  base: Base,
  {body, error}: {readonly body: string; readonly error: UsageError},
): Promise<Round> {
  if (ask === undefined) throw error
  report(`Not written: ${error.message}`)
  if (form === 'text' && !(await ask('Open the editor again?'))) throw error
  const reasons = [`Not written: ${error.message}`, ...error.suggestions.map((line) => `  ${line}`)]
  const lines = [...reasons, aboutLine(cache, address, base.revision), hint]
  await draft.write(form === 'yaml' ? withHeader(lines, body) : body)
  return {base, pending: error}
}

/** Shows what both sides changed, and gives the text back with the changes of both. */
async function offerMerge(
  edit: Edit,
  base: Base,
  {typed, body}: {readonly typed: string; readonly body: string},
): Promise<Round> {
  const {cache, address, form, draft} = edit
  const {ask, report} = edit.options
  const sides = {base, mine: await readMine(edit, base, body), theirs: await readBase(cache, address)}
  const conflict = threeWayConflict(cache, address, sides)
  if (ask === undefined) throw conflict
  for (const line of [conflict.message, ...conflict.lines]) report(line)
  if (!(await ask('Open the editor again, with the changes of both?'))) throw conflict
  const kept = await draft.keep(typed)
  const {value, clashes} = mergeSides(sides)
  const lines = [
    `Somebody else wrote revision ${sides.theirs.revision} in the meantime. The changes of both are below.`,
    ...(clashes.length === 0 ? [] : ['Where both changed the same, it is yours, and theirs stands above it.']),
    `What you typed is in ${kept} as well.`,
    aboutLine(cache, address, sides.theirs.revision),
    hint,
  ]
  await draft.write(form === 'yaml' ? withHeader(lines, await renderValue(value, clashes)) : body)
  return {base: sides.theirs, pending: conflict}
}

/** Removes the file when there is nothing in it to lose, and else says in the error where it is. */
async function keepWork(
  {cache, address, form, draft, options}: Edit,
  {revision}: Base,
  error: unknown,
): Promise<unknown> {
  if (!(await draft.holdsWork())) {
    await draft.remove()
    return error
  }
  const kept = `What you typed is kept in ${draft.path}`
  if (!(error instanceof LatticeError)) {
    options.report(kept)
    return error
  }
  const yaml = form === 'yaml' && address.kind === 'key' ? ['--yaml'] : []
  const expected = revision === 0 ? ['--create'] : ['--revision', String(revision)]
  const again = cache.line(['cache', 'put', ...recordWords(address), '--file', draft.path, ...yaml, ...expected])
  return Object.assign(error, {
    lines: [...error.lines, kept],
    details: {...error.details, kept: draft.path},
    suggestions: error instanceof RevisionConflictError ? error.suggestions : [...error.suggestions, again],
  })
}

async function firstText({entry, bytes}: StoredRecord, form: Form, about: string): Promise<string> {
  if (form === 'text') return String(entry.value)
  // What is no JSON is shown as it is stored, to be made a record.
  const text = entry.format === 'json' ? await renderValue(entry.value) : new TextDecoder().decode(bytes)
  return withHeader([about, hint], text)
}

function aboutLine({lattice, context}: LatticeCache, address: RecordAddress, revision: number): string {
  const where = `lattice '${lattice}'${context === undefined ? '' : ` (context '${context}')`}`
  return `${recordWords(address).slice(0, 2).join(' ')} in ${where}, revision ${revision}`
}
