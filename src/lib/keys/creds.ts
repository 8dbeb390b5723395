/** What a creds file holds; the seed is a secret. */
export interface CredsContent {
  readonly jwt: string
  readonly seed: string
}

/** A user's token and key, from a creds file's text; undefined when the text is not one. */
export function parseCreds(text: string): CredsContent | undefined {
  const blocks: string[] = []
  let block: string[] | undefined
  for (const line of text.split(/\r?\n|\r/).map((line) => line.trim())) {
    if (/^-{3,} *BEGIN\b/.test(line)) block = []
    else if (/^-{3,} *END\b/.test(line)) {
      if (block !== undefined) blocks.push(block.join(''))
      block = undefined
    } else block?.push(line)
  }
  const [jwt, seed] = blocks
  return jwt && seed ? {jwt, seed} : undefined
}
