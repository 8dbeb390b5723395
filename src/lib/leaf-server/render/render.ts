import type {ConnectSpec} from '../../nats/spec.js'
import {renderLeafConfig} from '../config.js'
import type {LeafSettings} from '../settings.js'
import type {KubernetesOptions} from './kubernetes.js'
import {plainConfig, plainPath, planRender, secretVariables, urlLines, type RenderPlan} from './plan.js'

/** What a leaf node is written out for. */
export const leafFormats = ['systemd', 'kubernetes', 'config'] as const

export type LeafFormat = (typeof leafFormats)[number]

/** A leaf node as others start it. */
export interface RenderedLeaf {
  readonly format: LeafFormat
  readonly name: string
  readonly lattice: string
  readonly remotes: readonly string[]
  readonly text: string
}

/** Writes a leaf node out for whoever starts it; no secret is in the text, and nothing is connected to. */
export async function renderLeaf(
  spec: ConnectSpec,
  settings: LeafSettings,
  {format, ...options}: {readonly format: LeafFormat} & KubernetesOptions,
): Promise<RenderedLeaf> {
  const plan = planRender(spec, settings)
  const {name} = settings
  const told = {format, name, lattice: spec.lattice, remotes: plan.remotes}
  switch (format) {
    case 'systemd':
      return {...told, text: (await import('./systemd.js')).renderUnit(plan)}
    case 'kubernetes':
      return {...told, text: await (await import('./kubernetes.js')).renderManifests(plan, options)}
    case 'config': {
      const {credentials} = spec
      const creds = credentials?.kind === 'creds' ? plainPath(credentials.file) : undefined
      const places = {
        creds: creds ?? 'user.creds',
        tls: (file: string, given: string) => plainPath(given) ?? `${file}.pem`,
        usersInclude: settings.usersFile,
      }
      return {...told, text: `${needsLines(plan)}${renderLeafConfig(plainConfig(plan, places))}`}
    }
  }
}

/** What has to be there before nats-server takes the configuration. */
function needsLines(plan: RenderPlan): string {
  const variables = secretVariables(plan)
  return [
    '# Beside it: lattice-mappings.conf, at first with the line: mappings {}',
    ...(variables.length === 0 ? [] : [`# In the environment of nats-server: ${variables.join(', ')}`]),
    ...urlLines(plan),
    '',
  ].join('\n')
}
