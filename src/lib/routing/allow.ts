/** Rules that a user may switch off by name, one at a time. */
export const allowable = ['no-subscriber', 'sink-heard'] as const
