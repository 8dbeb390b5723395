/** Rules that a user may switch off by name, one at a time: what they protect from can be wanted, and is never random. */
export const allowable = [
  'no-subscriber',
  'shared-leg',
  'source-shared',
  'source-doubled',
  'caller-permission',
  'exporter',
  'mapped-twice',
  'leaf-subscribers',
  'sink-heard',
  'managed-account',
] as const
