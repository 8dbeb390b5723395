import type {Document, Node} from 'yaml'

/** The lines of a YAML text on which its parts stand. */
export interface Places {
  /** Line of the key or item, from 1; of what is around it where there is none. */
  lineOf: (path: readonly (string | number)[]) => number
  /** Undefined where the text has nothing there. */
  valueAt: (path: readonly (string | number)[]) => unknown
}

/** Finds the places of a text that was read already. */
export async function readPlaces(text: string): Promise<Places> {
  const yaml = await import('yaml')
  const counter = new yaml.LineCounter()
  const document: Document = yaml.parseDocument(text, {lineCounter: counter, logLevel: 'silent', uniqueKeys: false})
  const resolved = (node: unknown): unknown => (yaml.isAlias(node) ? node.resolve(document) : node)
  const step = (node: unknown, part: string | number): {readonly at: unknown; readonly value: unknown} | undefined => {
    const parent = resolved(node)
    if (yaml.isSeq(parent)) {
      const item = parent.items[Number(part)]
      return item === undefined ? undefined : {at: item, value: item}
    }
    if (!yaml.isMap(parent)) return undefined
    const pair = parent.items.find(({key}) => {
      const name = resolved(key)
      return yaml.isScalar(name) && (name.value === part || name.source === part)
    })
    return pair === undefined ? undefined : {at: pair.key, value: pair.value}
  }
  const lineAt = (node: unknown): number | undefined => {
    const start = (node as Partial<Node> | undefined)?.range?.[0]
    return start === undefined ? undefined : counter.linePos(start).line
  }
  return {
    lineOf: (path) => {
      let [node, line]: [unknown, number] = [document.contents, lineAt(document.contents) ?? 1]
      for (const part of path) {
        const found = step(node, part)
        if (found === undefined) break
        line = lineAt(found.at) ?? line
        node = found.value
      }
      return line
    },
    valueAt: (path) => {
      let node: unknown = document.contents
      for (const part of path) {
        const found = step(node, part)
        if (found === undefined) return undefined
        node = found.value
      }
      return node
    },
  }
}
