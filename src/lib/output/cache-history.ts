import type {RecordHistory, RecordRevision} from '../cache/history.js'
import {valueLine} from './cache-list.js'
import {diffView} from './diff.js'
import {formatSize} from './size.js'
import {table, type TableOptions} from './table.js'
import {clean} from './text.js'
import {formatAge} from './time.js'

/** For a person each revision with what it changed; otherwise a line each, with the value. */
export function cacheHistoryView(history: RecordHistory, options: TableOptions & {readonly now: Date}): string {
  if (!options.terminal) return table([], history.revisions.map(row), options)
  const {kind, name, bucket, keeps, lattice, context, revisions} = history
  const where = `lattice '${lattice}'${context === undefined ? '' : ` (context '${context}')`}`
  const most = keeps === undefined ? 'all revisions' : `${keeps} ${keeps === 1 ? 'revision' : 'revisions'} of a key`
  const head = clean(`${kind} '${name}' in ${where}; the bucket ${bucket} keeps ${most}`)
  return [head, ...revisions.map((revision) => revisionText(revision, options.now))].join('\n\n')
}

function revisionText({revision, created, operation, size, problem, changes}: RecordRevision, now: Date): string {
  const age = formatAge(new Date(created), now)
  const what = operation === 'del' ? 'deleted' : formatSize(size)
  const lines = [
    `revision ${revision}, ${created} (${age}), ${what}`,
    ...(problem === undefined ? [] : [`problem: ${clean(problem)}`]),
    ...(changes === undefined ? [] : changes.length === 0 ? ['no change'] : diffView(changes).split('\n')),
  ]
  return lines.map((line, index) => (index === 0 ? line : `  ${line}`)).join('\n')
}

function row({revision, created, operation, size, format, value, problem}: RecordRevision): string[] {
  return [String(revision), created, operation, String(size), valueLine(format, value), problem ?? '']
}
