import * as Flags from '@oclif/core/flags'

import {accessFlags} from '../../lib/cli/access-flags.js'
import {outputFileFlag, writeOutput} from '../../lib/cli/output-file.js'
import {unversionedRefArg, RoutesCommand} from '../../lib/cli/route-command.js'
import type {RenderedRoutes} from '../../lib/routes/text/render.js'
import {renderFormats, type RenderFormat} from '../../lib/routing/render-formats.js'

export default class RouteRender extends RoutesCommand<RenderedRoutes> {
  static override summary = 'Write the recorded routes as server configuration, token claims, nsc lines, YAML or JSON.'

  static override description =
    'Only what lattice recorded is written, computed anew from the legs; mappings that others made are not. The lines for nsc are valid one after the other, whatever its store holds.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> echo --format nsc --account SHOP',
    '<%= config.bin %> <%= command.id %> --format jwt -o claims.json',
    '<%= config.bin %> <%= command.id %> --json',
  ]

  static override args = {
    entity: unversionedRefArg({description: 'Entity; default: all that have a route.'}),
  }

  static override flags = {
    ...accessFlags,
    format: Flags.custom<RenderFormat>({options: [...renderFormats]})({default: 'config', summary: 'What to write.'}),
    account: Flags.string({
      helpValue: 'NAME',
      summary: 'Name that nsc has for the account; default: the one in its token.',
    }),
    output: outputFileFlag({char: 'o', summary: 'Write to this file and not to stdout.'}),
  }

  async run(): Promise<RenderedRoutes> {
    const {args, flags} = await this.parse(RouteRender)
    const {format, account, output} = flags
    await using lattice = await this.open(flags)

    const rendered = await (await lattice.routes()).render(args.entity, {format, account})

    if (rendered.routes.length === 0) this.noteEmpty(lattice)
    for (const note of rendered.notes) this.warn(note)
    if (output === undefined) this.logBytes(new TextEncoder().encode(rendered.text))
    else this.note(await writeOutput(output, rendered.text))
    return rendered
  }
}
