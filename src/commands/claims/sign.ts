import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {LocalCommand} from '../../lib/cli/command.js'
import {dryRunFlag, versionFlag} from '../../lib/cli/flags.js'
import {signModuleFile, type SignResult} from '../../lib/wasm/module-file.js'
import {signedModuleView} from '../../lib/output/module.js'

export default class ClaimsSign extends LocalCommand<SignResult> {
  static override summary = 'Sign a wasm module, so that a host can tell who and which version it is.'

  static override description =
    'The keys are made on first use, in files that only you can read. Hosts of `lattice up` accept your own issuer key.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo.wasm --name echo --version 1.0.0 --cap wasmcloud:httpserver',
    '<%= config.bin %> <%= command.id %> echo.wasm --name echo --version 1.1.0 --out echo-1.1.0.wasm --dry-run',
    '<%= config.bin %> <%= command.id %> echo.wasm --name echo --version 1.0.0 --json',
  ]

  static override args = {
    file: Args.string({ignoreStdin: true, required: true, description: 'The wasm module; claims in it are replaced.'}),
  }

  static override flags = {
    name: Flags.string({required: true, helpValue: 'NAME', summary: 'Name of the actor.'}),
    version: versionFlag({required: true, summary: 'Its version, best as MAJOR.MINOR.PATCH.'}),
    out: Flags.string({helpValue: 'FILE', summary: 'Signed module; default FILE_signed.wasm beside the module.'}),
    'module-key-file': Flags.string({
      helpValue: 'FILE',
      summary: "Seed of the module's key (M…); default one for each name in your configuration.",
    }),
    'issuer-key-file': Flags.string({
      helpValue: 'FILE',
      summary: 'Seed of the account key (A…) that signs; default your own.',
    }),
    cap: Flags.string({multiple: true, helpValue: 'CONTRACT', summary: 'Contract that it may use; repeatable.'}),
    tag: Flags.string({multiple: true, helpValue: 'TAG', summary: 'Tag; repeatable.'}),
    'call-alias': Flags.string({helpValue: 'ALIAS', summary: 'Name by which other actors may call it.'}),
    rev: Flags.integer({min: 0, helpValue: 'N', summary: 'Revision, for hosts that compare it.'}),
    'expires-in-days': Flags.integer({min: 1, max: 36_500, helpValue: 'DAYS', summary: 'End of validity.'}),
    allow: Flags.string({
      multiple: true,
      options: ['overwrite'],
      summary: 'Switch one safety rule off: overwrite replaces an output that holds something else.',
    }),
    'dry-run': dryRunFlag,
  }

  async run(): Promise<SignResult> {
    const {args, flags} = await this.parse(ClaimsSign)

    const result = await signModuleFile(
      {
        input: args.file,
        output: flags.out,
        name: flags.name,
        version: flags.version,
        revision: flags.rev,
        callAlias: flags['call-alias'],
        caps: flags.cap ?? [],
        tags: flags.tag ?? [],
        expiresInDays: flags['expires-in-days'],
        moduleKeyFile: flags['module-key-file'],
        issuerKeyFile: flags['issuer-key-file'],
        overwrite: flags.allow?.includes('overwrite') ?? false,
        dryRun: flags['dry-run'],
      },
      this.clock.now(),
    )

    this.log(signedModuleView(result))
    return result
  }
}
