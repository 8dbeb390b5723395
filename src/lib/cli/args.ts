import * as Args from '@oclif/core/args'

import {parseRef, type EntityRef} from '../entity/entity.js'

/** An entity as a user names it: `name`, `name@version` or `name/link@version`. */
export const entityRefArg = Args.custom<EntityRef>({
  ignoreStdin: true,
  parse: (text) => Promise.resolve(parseRef(text)),
})
