import * as Flags from '@oclif/core/flags'

import {confirmFlag} from './confirm.js'
import {dryRunFlag} from './flags.js'

/** Flags of the commands that change what runs. */
export const changeFlags = {
  host: Flags.string({helpValue: 'HOST', summary: 'Only on this host: id, unique start of it, or name.'}),
  'dry-run': dryRunFlag,
  wait: Flags.boolean({default: true, allowNo: true, summary: 'Wait until the hosts show the outcome.'}),
}

/** Flags of the commands that can take an instance away. */
export const removeFlags = {
  ...changeFlags,
  confirm: confirmFlag,
  'all-versions': Flags.boolean({default: false, summary: 'Mean every version that runs.'}),
  allow: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    options: ['in-use'],
    default: [],
    summary: 'Allow one thing that is refused otherwise; "in-use": take away a version that has traffic.',
  }),
}
