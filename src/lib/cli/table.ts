import type {Config} from '@oclif/core'

import type {LocalCommand} from './command.js'

/** What the table holds: the default export of a command file. */
export interface CommandClass {
  new (argv: string[], config: Config): LocalCommand<object>
  id: string
}

type Load = () => Promise<{readonly default: CommandClass}>

/**
 * Every command, by the words a user types. A table instead of a scan of folders: a command loads its own imports and
 * no other's, which is most of the start-up time.
 */
export const commandTable: Readonly<Record<string, Load>> = {
  'cache del': () => import('../../commands/cache/del.js'),
  'cache diff': () => import('../../commands/cache/diff.js'),
  'cache edit': () => import('../../commands/cache/edit.js'),
  'cache export': () => import('../../commands/cache/export.js'),
  'cache get': () => import('../../commands/cache/get.js'),
  'cache history': () => import('../../commands/cache/history.js'),
  'cache import': () => import('../../commands/cache/import.js'),
  'cache init': () => import('../../commands/cache/init.js'),
  'cache ls': () => import('../../commands/cache/ls.js'),
  'cache migrate': () => import('../../commands/cache/migrate.js'),
  'cache put': () => import('../../commands/cache/put.js'),
  'cache revert': () => import('../../commands/cache/revert.js'),
  'cache stats': () => import('../../commands/cache/stats.js'),
  'cache verify': () => import('../../commands/cache/verify.js'),
  'cache watch': () => import('../../commands/cache/watch.js'),
  call: () => import('../../commands/call.js'),
  'claims inspect': () => import('../../commands/claims/inspect.js'),
  'claims ls': () => import('../../commands/claims/ls.js'),
  'claims sign': () => import('../../commands/claims/sign.js'),
  completion: () => import('../../commands/completion.js'),
  'completion refresh': () => import('../../commands/completion/refresh.js'),
  'context add': () => import('../../commands/context/add.js'),
  'context check': () => import('../../commands/context/check.js'),
  'context import': () => import('../../commands/context/import.js'),
  'context ls': () => import('../../commands/context/ls.js'),
  'context rm': () => import('../../commands/context/rm.js'),
  'context show': () => import('../../commands/context/show.js'),
  'context use': () => import('../../commands/context/use.js'),
  down: () => import('../../commands/down.js'),
  'entity inspect': () => import('../../commands/entity/inspect.js'),
  'entity ls': () => import('../../commands/entity/ls.js'),
  'host inspect': () => import('../../commands/host/inspect.js'),
  'host ls': () => import('../../commands/host/ls.js'),
  'host run': () => import('../../commands/host/run.js'),
  'leaf ls': () => import('../../commands/leaf/ls.js'),
  'leaf render': () => import('../../commands/leaf/render.js'),
  'leaf run': () => import('../../commands/leaf/run.js'),
  'leaf stop': () => import('../../commands/leaf/stop.js'),
  'link del': () => import('../../commands/link/del.js'),
  'link ls': () => import('../../commands/link/ls.js'),
  'link put': () => import('../../commands/link/put.js'),
  'route ab': () => import('../../commands/route/ab.js'),
  'route adopt': () => import('../../commands/route/adopt.js'),
  'route apply': () => import('../../commands/route/apply.js'),
  'route bluegreen': () => import('../../commands/route/bluegreen.js'),
  'route canary': () => import('../../commands/route/canary.js'),
  'route clear': () => import('../../commands/route/clear.js'),
  'route diff': () => import('../../commands/route/diff.js'),
  'route drop': () => import('../../commands/route/drop.js'),
  'route fail': () => import('../../commands/route/fail.js'),
  'route history': () => import('../../commands/route/history.js'),
  'route lint': () => import('../../commands/route/lint.js'),
  'route ls': () => import('../../commands/route/ls.js'),
  'route render': () => import('../../commands/route/render.js'),
  'route plan': () => import('../../commands/route/plan.js'),
  'route reconcile': () => import('../../commands/route/reconcile.js'),
  'route show': () => import('../../commands/route/show.js'),
  'route trace': () => import('../../commands/route/trace.js'),
  'route undo': () => import('../../commands/route/undo.js'),
  'route verify': () => import('../../commands/route/verify.js'),
  'route watch': () => import('../../commands/route/watch.js'),
  scale: () => import('../../commands/scale.js'),
  start: () => import('../../commands/start.js'),
  status: () => import('../../commands/status.js'),
  stop: () => import('../../commands/stop.js'),
  up: () => import('../../commands/up.js'),
}
