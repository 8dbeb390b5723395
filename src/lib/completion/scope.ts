/**
 * Variables that say where a command acts; their values are part of what names are kept under. A user without a password
 * is a token, so what stands there counts only where the variable behind it is set too.
 */
export const scopeVariables = [
  'LATTICE_URL',
  'LATTICE_CREDS',
  'LATTICE_NKEY',
  'LATTICE_USER',
  'LATTICE_LATTICE',
  'LATTICE_JS_DOMAIN',
  'LATTICE_JS_API_PREFIX',
  'NATS_URL',
  'NATS_CREDS',
  'NATS_NKEY',
  'NATS_USER',
] as const
