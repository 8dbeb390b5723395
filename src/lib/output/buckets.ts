import type {SettingChange, SettingValue} from '../cache/bucket-config.js'
import type {BucketOutcome, InitResult} from '../cache/init.js'
import {formatSize} from './size.js'
import {clean} from './text.js'

/** What became of each bucket and how it is kept; what is different now stands below it. */
export function initView({lattice, context, dryRun, buckets}: InitResult): string {
  const where = `lattice '${lattice}'${context === undefined ? '' : ` (context '${context}')`}`
  const lines = buckets.flatMap((outcome) => [
    `  ${outcome.bucket}: ${stateText(outcome, dryRun === true)}, ${settingsText(outcome)}`,
    ...outcome.changes.map((change) => `    ${changeText(change)}`),
  ])
  return [`Buckets of ${where}`, ...lines].map(clean).join('\n')
}

/** What memory means, for the person who asked for it; undefined where nothing is lost. */
export function memoryNote({buckets}: InitResult): string | undefined {
  const lost = buckets.filter(({state, settings}) => state === 'created' && settings.storage === 'memory')
  if (lost.length === 0) return undefined
  const names = lost.map(({bucket}) => bucket).join(', ')
  const replicas = Math.max(...lost.map(({settings}) => settings.replicas))
  const when = replicas > 1 ? 'when all of their servers are down at once' : 'when their server restarts'
  return `In memory everything is lost ${when}: ${names}.`
}

function stateText({state}: BucketOutcome, dryRun: boolean): string {
  switch (state) {
    case 'created':
      return dryRun ? 'would be made' : 'made'
    case 'updated':
      return dryRun ? 'would be changed' : 'changed'
    case 'unchanged':
      return 'is so already'
  }
}

function settingsText({settings}: BucketOutcome): string {
  const {storage, replicas, history, maxBytes, description, placementTags, atomic, mirrorOf} = settings
  return [
    mirrorOf === undefined ? undefined : `follows domain '${mirrorOf}'`,
    storage,
    `${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`,
    history === undefined ? 'all revisions' : `history ${history}`,
    maxBytes === undefined ? undefined : `at most ${formatSize(maxBytes)}`,
    placementTags === undefined ? undefined : `on servers with ${placementTags.join(', ')}`,
    atomic === true ? 'atomic writes' : undefined,
    description === undefined ? undefined : JSON.stringify(description),
  ]
    .filter((part) => part !== undefined)
    .join(', ')
}

function changeText({setting, before, after}: SettingChange): string {
  return `${setting}: ${valueText(before)} → ${valueText(after)}`
}

function valueText(value: SettingValue | undefined): string {
  return value === undefined ? 'none' : typeof value === 'object' ? value.join(', ') : String(value)
}
