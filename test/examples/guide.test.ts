import {readFile} from 'node:fs/promises'

import {expect, test} from 'vitest'

/** Each language of the guide, and the programs that it quotes; tests run them. */
const programs: Readonly<Record<string, readonly string[]>> = {
  js: ['examples/orders/service.js', 'examples/stock/worker.js'],
  go: ['examples/orders/go/main.go', 'examples/stock/worker.go'],
  python: ['examples/orders/python/service.py', 'examples/stock/worker.py'],
  yaml: ['examples/stock/services.yaml'],
}

test('what the guide to versioned services shows stands in the examples, line by line', async () => {
  const guide = await readFile('docs/versioned-services.md', 'utf8')
  const blocks = [...guide.matchAll(/^```(js|go|python|yaml)\n([^]*?)^```$/gm)]
  expect(blocks.map(([, language]) => language).sort()).toEqual(['go', 'go', 'js', 'js', 'python', 'python', 'yaml'])
  for (const [, language, code] of blocks) {
    const files = await Promise.all(programs[language!]!.map((file) => readFile(file, 'utf8')))
    expect(
      files.some((file) => file.includes(code!)),
      code,
    ).toBe(true)
  }
})

test('the examples of one language use one client library', async () => {
  const versions = async (file: string): Promise<string> => (await readFile(file, 'utf8')).replace(/^module .*\n/, '')
  expect(await versions('examples/stock/go.mod')).toBe(await versions('examples/orders/go/go.mod'))
  expect(await versions('examples/stock/requirements.txt')).toBe(
    await versions('examples/orders/python/requirements.txt'),
  )
})
