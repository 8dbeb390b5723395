import {createHash} from 'node:crypto'

import {versionedLabel} from '../control/dialect.js'

const adjectives = [
  'amber',
  'bold',
  'calm',
  'clear',
  'cold',
  'early',
  'fair',
  'green',
  'keen',
  'late',
  'quiet',
  'swift',
]
const nouns = ['brook', 'cloud', 'field', 'frost', 'hill', 'lake', 'leaf', 'moon', 'rain', 'river', 'star', 'wind']

/** A name for people that always belongs to a host key, such as `quiet-moon-4211`. */
export function friendlyName(hostKey: string): string {
  const [first = 0, second = 0, high = 0, low = 0] = createHash('sha256').update(hostKey).digest()
  const number = String(((high << 8) | low) % 10_000).padStart(4, '0')
  return `${adjectives[first % adjectives.length]!}-${nouns[second % nouns.length]!}-${number}`
}

const architectures: Readonly<Record<string, string>> = {x64: 'x86_64', arm64: 'aarch64', ia32: 'x86'}
const systems: Readonly<Record<string, string>> = {darwin: 'macos', win32: 'windows'}

/** The labels of a host: those of every host, the user's own, and the word that it knows versions. */
export function hostLabels(
  own: Readonly<Record<string, string>>,
  {arch, platform}: {arch: string; platform: string},
): Record<string, string> {
  return {
    'hostcore.arch': architectures[arch] ?? arch,
    'hostcore.os': systems[platform] ?? platform,
    'hostcore.osfamily': platform === 'win32' ? 'windows' : 'unix',
    ...own,
    [versionedLabel]: '1',
  }
}
