/** Names that say that what follows is a secret. */
export const secretName = /password|passwd|secret|token|seed|creds|credential|private_?key|api_?key/i

const nkeySeed = /\bS[A-Z2-7]{57}\b/g
/** A line that gives a name a value, in a list or for a shell too. */
const setting = /^((\s*)(?:(?:-|export)\s+)*["']?([\w.-]{1,100})["']?\s*[:=]\s*)(\S.*)$/
/** A field of JSON that broke off or was never whole. */
const field = /("(?:[^"\\\n]|\\.){1,100}"\s*:\s*)("(?:[^"\\\n]|\\.)*"?|[^\s,\]}]+)/g

/** The lines of a text that is no JSON, with `set` for what stands after a name such as `password`, and for seeds. */
export function hideInLines(text: string): string {
  const hidden = text.replace(nkeySeed, 'set')
  if (!secretName.test(hidden)) return hidden
  // Below a secret: lines that are further in than this belong to it.
  let block = Infinity
  return hidden
    .split('\n')
    .flatMap((line) => {
      const indent = line.length - line.trimStart().length
      if (line.trim() === '') return [line]
      if (indent > block) return []
      block = Infinity
      const [, head, space = '', name = '', value = ''] = setting.exec(line) ?? []
      if (head === undefined || !secretName.test(name)) return [hideFields(line)]
      if (/^[|>]/.test(value)) block = space.length
      return [`${head}set`]
    })
    .join('\n')
}

function hideFields(line: string): string {
  return line.replace(field, (all, head: string) => (secretName.test(head) ? `${head}"set"` : all))
}
