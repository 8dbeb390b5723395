import fc from 'fast-check'
import {describe, expect, test} from 'vitest'

import {encodeVersion, parseVersion} from '../../../src/lib/entity/version.js'
import {declaredEntity, type Listener} from '../../../src/lib/services/declared.js'
import type {DeclaredService} from '../../../src/lib/services/services-file.js'
import {readTemplate} from '../../../src/lib/services/template.js'

function service(template: string, more: Partial<DeclaredService> = {}): DeclaredService {
  const sources = [{source: 'orders.get', template: readTemplate(template), where: 's.yaml:5'}]
  return {name: 'orders', lattice: 'default', where: 's.yaml:3', sources, ...more}
}

function at(version: string, queue = 'q'): Listener {
  return {subject: `orders.${encodeVersion(version)}.get`, queue}
}

describe('what is seen of a declared service', () => {
  test('is the versions that listen where its template says, with how many do', () => {
    const entity = declaredEntity(service('orders.{v}.get'), [at('2.0.0'), at('1.0.0'), at('2.0.0')])
    expect(entity.instances).toEqual([
      {version: '1.0.0', host: '', count: 1, dark: true},
      {version: '2.0.0', host: '', count: 2, dark: true},
    ])
    expect(entity.service.notes).toEqual([])
  })

  test('is nobody of another group, and no tap', () => {
    const listeners = [at('1.0.0'), at('2.0.0', 'other'), {subject: 'orders.*.get', queue: 'q'}, {subject: '>'}]
    const entity = declaredEntity(service('orders.{v}.get', {queue: 'q'}), listeners)
    expect(entity.instances.map(({version}) => version)).toEqual(['1.0.0'])
  })

  test('has the incumbent also where nobody may look', () => {
    const entity = declaredEntity(service('orders.{v}.get', {incumbent: parseVersion('1.0.0')}), undefined)
    expect(entity).toMatchObject({
      instances: [{version: '1.0.0', count: 0, dark: false}],
      endpoints: [{addresses: {'1.0.0': 'orders.get'}}],
      service: {notes: ['Who listens is not visible here, so versions have to be named.']},
    })
  })

  test('is told of the source, where nobody said which version that is', () => {
    const {instances, service: shown} = declaredEntity(service('orders.{v}.get'), [{subject: 'orders.get', queue: 'q'}])
    expect(instances).toEqual([])
    expect(shown.notes).toEqual([
      "Somebody listens on 'orders.get' itself: if that is a version, write incumbent: VERSION (s.yaml:5).",
    ])
  })

  test('is bounded, whoever makes up versions', () => {
    const many = Array.from({length: 20_000}, (_, index) => at(`0.0.${index}`))
    const started = performance.now()
    const {instances, service: shown} = declaredEntity(service('orders.{v}.get'), many)
    expect(instances).toHaveLength(100)
    expect(shown.notes).toEqual(['Only 100 of its 20000 versions are shown.'])
    expect(performance.now() - started).toBeLessThan(3000)
  })

  test('never breaks on what others listen to', () => {
    const token = fc.oneof(fc.string(), fc.constantFrom('orders', 'get', '*', '>', '', encodeVersion('1.0.0')))
    const subjects = fc.array(token, {minLength: 1, maxLength: 5}).map((tokens) => tokens.join('.'))
    const templates = fc.constantFrom('orders.{v}.get', 'orders.{v:dash}.get', 'v{v}.orders')
    fc.assert(
      fc.property(fc.array(subjects), templates, (heard, template) => {
        const {instances} = declaredEntity(
          service(template),
          heard.map((subject) => ({subject})),
        )
        expect(instances.every(({count}) => count > 0)).toBe(true)
      }),
    )
  })
})
