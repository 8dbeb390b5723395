/** Variables that say where a command acts and hold no secret; their values are part of what names are kept under. */
export const scopeVariables = [
  'LATTICE_URL',
  'LATTICE_CREDS',
  'LATTICE_NKEY',
  'LATTICE_LATTICE',
  'LATTICE_JS_DOMAIN',
  'LATTICE_JS_API_PREFIX',
  'NATS_URL',
  'NATS_CREDS',
  'NATS_NKEY',
] as const
