import {expect, test} from 'vitest'

import {applyWith} from '../../../src/lib/apply/config-apply-with.js'
import {checkTable, type TableStep} from '../../../src/lib/apply/config-map-check.js'
import {renderConfigMap} from '../../../src/lib/apply/config-map.js'
import {systemClock} from '../../../src/lib/clock.js'
import {renderMappings, type FileMappings} from '../../../src/lib/conf/mappings-text.js'
import {parseConfigMapName} from '../../../src/lib/routing/config-map-name.js'

const name = {namespace: 'nats', name: 'lattice-mappings'}

test('a manifest is the same for the same mappings, and a block that a person can read', () => {
  const text = renderMappings(new Map([['orders.get', [{subject: 'orders.v1.get', weight: 100}]]]))
  expect(renderConfigMap(name, text)).toBe(`apiVersion: v1
kind: ConfigMap
metadata:
  name: "lattice-mappings"
  namespace: "nats"
  labels:
    app.kubernetes.io/managed-by: lattice
  annotations:
    lattice-cli/mappings-digest: sha256:ddd6dbc7671362e8398e1ddec2236f171458a79d2ef01d9d349a43a64bcbeb26
data:
  lattice-mappings.conf: |
    # Written by lattice: all mappings of one account; a second block elsewhere would replace them.
    # \`lattice route\` changes its own entries and keeps all others; comments and layout are not kept.
    mappings {
      "orders.get": [
        {destination: "orders.v1.get", weight: 100}
      ]
    }
`)
})

test('what no ConfigMap can hold is refused', () => {
  expect(() => renderConfigMap(name, 'x'.repeat(1 << 20))).toThrow(
    expect.objectContaining({kind: 'unsafe', details: expect.objectContaining({rule: 'configmap-size'}) as object}),
  )
})

test.each(['nats', '/a', 'nats/', 'Nats/a', 'nats/a_b', 'nats/a/b', 'nats/-a', `nats/${'a'.repeat(64)}`, 'nats/a b'])(
  '%j names no ConfigMap',
  (text) => {
    expect(() => parseConfigMapName(text)).toThrow(expect.objectContaining({kind: 'usage'}))
  },
)

test.each(['nats/nats-config', 'prod/my-nats-config', 'a/nats-eu-config'])('%j is the chart’s own', (text) => {
  expect(() => parseConfigMapName(text)).toThrow('as the NATS chart gives to its own')
})

test('other names are taken as they are', () => {
  expect(parseConfigMapName('nats/lattice-mappings.v2')).toEqual({namespace: 'nats', name: 'lattice-mappings.v2'})
})

const table = (entries: Readonly<Record<string, string>>): FileMappings =>
  new Map(Object.entries(entries).map(([source, subject]) => [source, [{subject, weight: 100}]]))

function step(before: FileMappings, added: Readonly<Record<string, string>>): TableStep {
  const destinations = table(added)
  return {
    account: 'SHOP',
    before,
    after: new Map([...before, ...destinations]),
    change: [...destinations].map(([source, list]) => ({source, destinations: list})),
    serverVersion: '2.9.0',
  }
}

test('a table is judged as a whole, by the rules of the lowest version', async () => {
  await expect(checkTable(step(table({'a.b': 'c.d'}), {'e.f': 'g.h'}))).resolves.toEqual([])
  await expect(checkTable(step(table({'a.*': 'c.$1'}), {'a.b': 'g.h'}))).rejects.toMatchObject({
    kind: 'unsafe',
    // What others map is not told.
    message:
      "The mappings would break the rule 'overlap' at 'a.b' and at others of the account, and nothing was changed.",
    details: {rule: 'overlap', findings: [{rule: 'overlap', source: 'a.b'}]},
  })
  await expect(checkTable(step(table({}), {'a.*': 'c.{{partition(3,1)}}.{{random(3)}}'}))).rejects.toMatchObject({
    kind: 'unsafe',
    details: {findings: [{rule: 'function-version', source: 'a.*'}]},
  })
})

test('what was there before is no business of a change, unless nothing can be checked because of it', async () => {
  const overlapping = table({'a.*': 'c.$1', 'a.b': 'g.h'})
  await expect(checkTable(step(overlapping, {'e.f': 'g.h'}))).resolves.toEqual([])
  const broken = table({'a.b': 'c.{{nosuch(1)}}'})
  await expect(checkTable(step(broken, {'e.f': 'g.h'}))).resolves.toEqual([
    expect.stringMatching(/^The nats-server at hand does not take what is live: /),
  ])
})

const lines: string[] = []
const command = {clock: systemClock, timeoutMs: 5000, report: (line: string) => lines.push(line)}

test('a command gets the whole manifest, and need not read it', async () => {
  const manifest = 'x\n'.repeat(200_000)
  lines.length = 0
  await applyWith(manifest, {...command, command: 'wc -c; echo complaint >&2'})
  expect(lines.map((line) => line.trim()).sort()).toEqual(['400000', 'complaint'])
  await expect(applyWith(manifest, {...command, command: 'exit 0'})).resolves.toBeUndefined()
})

test('a command that hangs is ended with all that it started, and what it did is unknown', async () => {
  const started = performance.now()
  await expect(applyWith('', {...command, timeoutMs: 200, command: 'sleep 30 & sleep 30'})).rejects.toMatchObject({
    kind: 'timeout',
    name: 'SentUnknownError',
    details: {timeoutMs: 200},
  })
  expect(performance.now() - started).toBeLessThan(5000)
})

test('a line without end is cut, and the command is still told of', async () => {
  lines.length = 0
  const endless = "head -c 20000000 /dev/zero | tr '\\0' x; printf '\\r\\nlast'; exit 3"
  await expect(applyWith('', {...command, command: endless})).rejects.toMatchObject({details: {last: 'last'}})
  expect(lines).toEqual(['x'.repeat(4096), 'last'])
})

test('what runs on in the background holds nobody up', async () => {
  const started = performance.now()
  await applyWith('', {...command, command: 'sleep 5 & true'})
  expect(performance.now() - started).toBeLessThan(4000)
})
