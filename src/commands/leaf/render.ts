import * as Flags from '@oclif/core/flags'

import {LatticeCommand} from '../../lib/cli/command.js'
import {leafFormats, renderLeaf, type LeafFormat, type RenderedLeaf} from '../../lib/leaf-server/render/render.js'
import LeafRun, {leafSettings} from './run.js'

const {detach: _detach, 'dry-run': _dryRun, offline: _offline, confirm: _confirm, ...leafFlags} = LeafRun.flags

export default class LeafRender extends LatticeCommand<RenderedLeaf> {
  static override summary = 'Write a leaf node out for systemd, for Kubernetes, or for tooling of your own.'

  static override description =
    'Nothing is connected to, and no secret is in what is written: only where secrets are. The unit runs lattice leaf run; in Kubernetes a plain nats-server runs beside the callers, and its mappings come by route … --driver config --configmap.'

  static override examples = [
    "<%= config.bin %> <%= command.id %> --format systemd --source 'orders.>' --creds /etc/lattice/app.creds",
    '<%= config.bin %> <%= command.id %> --format kubernetes --source orders.get --namespace shop --deployment web',
    '<%= config.bin %> <%= command.id %> --format config --source orders.get --json',
  ]

  static override flags = {
    ...leafFlags,
    format: Flags.custom<LeafFormat>({options: [...leafFormats]})({
      required: true,
      summary: 'What it is written out for.',
    }),
    namespace: Flags.string({default: 'default', helpValue: 'NAME', summary: 'Namespace in Kubernetes.'}),
    deployment: Flags.string({default: 'app', helpValue: 'NAME', summary: 'Deployment whose pods get it.'}),
    secret: Flags.string({default: 'lattice-leaf', helpValue: 'NAME', summary: 'Secret with the credentials.'}),
    image: Flags.string({default: 'nats:2.15-alpine', helpValue: 'IMAGE', summary: 'Image of nats-server.'}),
    'reloader-image': Flags.string({
      default: 'natsio/nats-server-config-reloader:0.21.1',
      helpValue: 'IMAGE',
      summary: 'Image that tells nats-server of new mappings.',
    }),
  }

  async run(): Promise<RenderedLeaf> {
    const {flags} = await this.parse(LeafRender)
    const {format, namespace, deployment, secret, image} = flags
    const settings = leafSettings({...flags, confirm: undefined, detach: false, 'dry-run': false, offline: false})
    const options = {format, namespace, deployment, secret, image, reloaderImage: flags['reloader-image']}

    const rendered = await renderLeaf(await this.spec(flags), settings, options)

    this.log(rendered.text.trimEnd())
    return rendered
  }
}
