import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

import {packageFolder} from '../files/package.js'
import {describeCommands, type CommandClass, type CompletionModel} from './model.js'
import type {Program} from './script.js'

/** The shells that there is a script for. */
export const shells = ['bash', 'fish', 'zsh'] as const

export type Shell = (typeof shells)[number]

/** A script as `completion` prints it. */
export interface CompletionScript {
  readonly shell: Shell
  readonly script: string
}

type Table = Readonly<Record<string, () => Promise<{readonly default: unknown}>>>

/** The script of a shell for the commands of a table; `program` keeps the names, and is this one. */
export async function completionScript(
  shell: Shell,
  table: Table,
  program: Program = [process.execPath, join(packageFolder(), 'bin', 'run.js')],
): Promise<CompletionScript> {
  const render = await loadRenderer(shell)
  return {shell, script: render(await completionModel(table), program)}
}

/** What is completed for the commands of a table. */
export async function completionModel(table: Table): Promise<CompletionModel> {
  const classes = await Promise.all(
    Object.entries(table).map(async ([words, load]) => [words, (await load()).default as CommandClass] as const),
  )
  const manifest = JSON.parse(await readFile(join(packageFolder(), 'package.json'), 'utf8')) as {
    readonly oclif: {readonly topics: Readonly<Record<string, {readonly description: string}>>}
  }
  const topics = Object.entries(manifest.oclif.topics).map(([topic, {description}]) => [topic, description])
  return describeCommands(Object.fromEntries(classes), Object.fromEntries(topics) as Record<string, string>)
}

async function loadRenderer(shell: Shell): Promise<(model: CompletionModel, program: Program) => string> {
  switch (shell) {
    case 'bash':
      return (await import('./bash.js')).renderBash
    case 'fish':
      return (await import('./fish.js')).renderFish
    case 'zsh':
      return (await import('./zsh.js')).renderZsh
  }
}
