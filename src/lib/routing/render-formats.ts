/** As what mappings can be written. */
export const renderFormats = ['config', 'jwt', 'nsc', 'yaml', 'json'] as const
export type RenderFormat = (typeof renderFormats)[number]
