/** The program that refreshes names: files to run first, each an absolute path. */
export type Program = readonly [node: string, script: string]

/** Shell code as it is written: only `\${` stands for what would be a placeholder. */
export function script(parts: TemplateStringsArray, ...values: readonly string[]): string {
  const texts = parts.raw.map((text) => text.replaceAll('\\${', '${'))
  return texts.map((text, index) => `${text}${values[index] ?? ''}`).join('')
}

/** A text as one word of bash, zsh or sh. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** A text as one word of fish, where a backslash counts within single quotes too. */
export function fishWord(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}

/** Names younger than this are not refreshed; older ones are, and no more often than this is it tried. */
export const freshSeconds = 10

/** Names older than this are not offered: nothing rather than what is long gone. */
export const offeredSeconds = 600

/** First line of a file of names. */
export const namesHead = 'lattice names 1'

/**
 * Starts a refresh and returns at once, with nothing to wait for and nothing on the terminal. Arguments: the folder, the
 * file that says when it was tried last, the time, the program and its arguments. The time is written first, and where
 * that cannot be done nothing is started: so there is no pile of processes where there can be no names.
 */
export const startRefresh =
  'umask 077; { mkdir -p "$1" && printf "%s\\n" "$3" >"$2"; } 2>/dev/null || exit 0; shift 3; "$@" </dev/null >/dev/null 2>&1 &'
