import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {compareVersions, isVersion, parseVersion} from '../../../src/lib/entity/version.js'
import {covers} from '../../../src/lib/routing/subject.js'
import {declaredEndpoints} from '../../../src/lib/services/declared.js'
import {
  addressAt,
  readTemplate,
  templateFault,
  templatePattern,
  versionAt,
  versionFault,
} from '../../../src/lib/services/template.js'

/** Any version that the project knows, short enough for a subject. */
const versions = fc
  .oneof(
    fc.string({unit: 'grapheme', minLength: 1, maxLength: 40}),
    fc.string({unit: fc.constantFrom('1', '.', '-', '+', 'a', '_', '*', '>', '$', '{', 'é', '字'), maxLength: 30}),
    fc.tuple(fc.nat(), fc.nat(), fc.nat()).map((parts) => parts.join('.')),
  )
  .filter((text) => isVersion(text) && Buffer.byteLength(text) <= 120)
  .map(parseVersion)

const token = fc.string({unit: fc.constantFrom('a', 'b', '-', '_', '9'), minLength: 1, maxLength: 6})
const templates = fc
  .tuple(token, fc.oneof(fc.constant(''), token), fc.oneof(fc.constant(''), token), fc.array(token, {maxLength: 3}))
  .map(([first, before, after, rest]) => [first, `${before}{v}${after}`, ...rest].join('.'))

describe('a template with {v}', () => {
  test('gives each version one address, from which the version is read back', () => {
    fc.assert(
      fc.property(templates, versions, (text, version) => {
        const template = readTemplate(text)
        expect(templateFault('a.source', text)).toBe(undefined)
        const address = addressAt(template, version)
        expect(versionAt(template, address)).toBe(version)
        expect(covers(templatePattern(template), address)).toBe(true)
        expect(versionFault('a.source', template, version)).toBe(undefined)
      }),
    )
  })

  test('gives no two versions one address', () => {
    fc.assert(
      fc.property(templates, versions, versions, (text, one, other) => {
        const template = readTemplate(text)
        expect(addressAt(template, one) === addressAt(template, other)).toBe(one === other)
      }),
    )
  })

  test('reads the version behind wildcards of the source, and none out of a tap', () => {
    const template = readTemplate('orders.v{v}.$1.get')
    expect(addressAt(template, '1.0.0')).toBe('orders.vMS4wLjA.$1.get')
    expect(versionAt(template, 'orders.vMS4wLjA.eu.get')).toBe('1.0.0')
    expect(versionAt(template, 'orders.vMS4wLjA.*.get')).toBe('1.0.0')
    for (const other of ['orders.>', 'orders.*.*.get', 'orders.v.eu.get', 'orders.v@.eu.get', 'orders.vMS4wLjA.get']) {
      expect(versionAt(template, other)).toBe(undefined)
    }
    const tail = readTemplate('in.{v}.>')
    expect(versionAt(tail, 'in.MS4wLjA.a.b')).toBe('1.0.0')
    expect(versionAt(tail, 'in.MS4wLjA')).toBe(undefined)
  })

  test('says of a version that is too long for a subject that it is', () => {
    const template = readTemplate('orders.{v}.get')
    expect(versionFault('orders.get', template, '字'.repeat(128))).toBe('it has more than 255 characters')
  })
})

describe('a template with {v:dash}', () => {
  const declared = {
    name: 'orders',
    lattice: 'default',
    where: 'services.yaml:3',
    sources: [{source: 'orders.get', template: readTemplate('orders.{v:dash}.get'), where: 'services.yaml:5'}],
  }

  test('writes what is no letter or digit as -, and is not read back', () => {
    const template = readTemplate('orders.{v:dash}.get')
    expect(addressAt(template, '2.3.1-rc.1+a_b')).toBe('orders.2-3-1-rc-1-a-b.get')
    expect(versionAt(template, 'orders.2-3-1.get')).toBe(undefined)
  })

  test('gives two versions addresses of their own, or says that it does not', () => {
    fc.assert(
      fc.property(versions, versions, (one, other) => {
        const [first, second] = [one, other].sort(compareVersions)
        const same =
          one !== other &&
          addressAt(declared.sources[0]!.template, one) === addressAt(declared.sources[0]!.template, other)
        const endpoints = (): unknown => declaredEndpoints(declared, [first!, second!])
        if (same) expect(endpoints).toThrow('have one address')
        else expect(endpoints()).toHaveLength(1)
      }),
    )
    expect(() => declaredEndpoints(declared, ['1.0.0', '1-0-0'].map(parseVersion))).toThrow(
      "The versions '1.0.0' and '1-0-0' of 'orders' have one address, 'orders.1-0-0.get', by 'orders.{v:dash}.get' (services.yaml:5).",
    )
  })
})

test.each([
  ['orders.get', 'orders.v1.get', 'it has no {v} where the version stands'],
  ['orders.get', 'orders.{v}.{v}', 'the version stands in it more than once'],
  ['orders.get', 'orders.{v}.{v:dash}', 'the version stands in it more than once'],
  ['orders.get', 'orders.{V}.{v}', 'functions in braces are not for legs; write $1 for the first *'],
  [
    'orders.get',
    'orders..{v}',
    'a subject is made of tokens between dots, without white space, and > may only be the last',
  ],
  ['orders.get', 'orders.*.{v}', 'a * names many subjects, and a message goes to one; write $1 for the first *'],
  ['orders.*', 'orders.{v}.get', 'it has $1 nowhere, and needs each * once'],
  ['orders.get', 'orders.{v}.$1', 'the source has 0 *, and there is no $1'],
  ['orders.>', 'orders.{v}', 'both the source and the leg end in >, or neither'],
  ['orders.get', '_INBOX.{v}', "it would reach into '_INBOX.>', which NATS itself needs"],
  ['orders.get', '{v}.orders', undefined],
])('behind %s the template %s: %s', (source, text, fault) => {
  expect(templateFault(source, text)).toBe(fault)
})
