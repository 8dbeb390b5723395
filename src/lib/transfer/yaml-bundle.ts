import {UsageError} from '../errors.js'
import {isJsonRecord} from '../records/universal.js'
import {parseYaml} from '../records/yaml.js'
import {parseDocument, type Parsed} from './parse-line.js'

/** One document of a stream, with the line of dashes before it. */
export interface YamlText {
  readonly text: string
  /** Where it begins. */
  readonly line: number
}

/** The documents of a stream as text, without more of it in memory than the one that is not whole yet. */
export async function* splitDocuments(chunks: AsyncIterable<Buffer>): AsyncGenerator<readonly YamlText[]> {
  const decoder = new TextDecoder('utf-8', {ignoreBOM: true})
  let rest = ''
  let line = 1
  const cut = (end: number): YamlText => {
    const text = rest.slice(0, end)
    const document = {text, line}
    rest = rest.slice(end)
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) line++
    return document
  }
  for await (const chunk of chunks) {
    // Only what is new, and the end of what was there, can hold the beginning of a document.
    let from = Math.max(0, rest.length - 4)
    rest += decoder.decode(chunk, {stream: true})
    const documents: YamlText[] = []
    for (;;) {
      const at = rest.indexOf('\n---\n', from)
      if (at < 0) break
      documents.push(cut(at + 1))
      from = 0
    }
    if (documents.length > 0) yield documents
  }
  rest += decoder.decode()
  yield [cut(rest.length)]
}

/** Reads one document; undefined for one that holds nothing. */
export async function parseYamlText({text, line}: YamlText): Promise<Parsed | undefined> {
  const problem = (reason: string): Parsed => ({type: 'problem', line, reason})
  try {
    const value = await parseYaml(text)
    if (value === null) return undefined
    return isJsonRecord(value) ? parseDocument(value, line) : problem('it is not a map')
  } catch (error) {
    if (error instanceof UsageError) return problem(`it is not YAML: ${String(error.details['reason'])}`)
    throw error
  }
}
