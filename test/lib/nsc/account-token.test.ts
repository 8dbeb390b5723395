import {chmod, mkdir, readdir, readFile, rename, stat, symlink, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'

import {afterEach, beforeEach, describe, expect, test} from 'vitest'

import {createKey} from '../../../src/lib/keys/nkey.js'
import {decodeToken, encodeToken, type JsonObject} from '../../../src/lib/keys/token.js'
import {
  compareNscToken,
  describeNscDrift,
  NscDriftError,
  readNscAccountToken,
  writeNscAccountToken,
  type NscAccountToken,
} from '../../../src/lib/nsc/account-token.js'
import {openNscOperator, type NscOperator} from '../../../src/lib/nsc/operator.js'
import {changeToken, writeNscStore, type NscStore} from '../../support/nsc-store.js'
import {tempFolder, type TempFolder} from '../../support/temp.js'

let folder: TempFolder
let store: NscStore
let operator: NscOperator
let token: NscAccountToken
beforeEach(async () => {
  folder = await tempFolder()
  store = await writeNscStore({storeRoot: join(folder.path, 'stores'), keystore: join(folder.path, 'keys')})
  operator = await openNscOperator(store.folder)
  token = (await readNscAccountToken(operator, store.keys.account.publicKey))!
})
afterEach(() => folder[Symbol.asyncDispose]())

const newer = (fields: JsonObject = {}): string => changeToken(token.text, store.keys.operatorSigning, fields)

describe('the token of an account', () => {
  test('is found by the account key, whatever the account is called', async () => {
    expect(token).toMatchObject({operator: 'OPS', name: 'APP', file: join(store.folder, 'accounts', 'APP', 'APP.jwt')})
    expect(token.issuedAt).toBeGreaterThan(1_700_000_000)
    expect(await readNscAccountToken(operator, createKey('A').publicKey)).toBeUndefined()
  })

  test('is replaced at once, with the mode and the line end that the file had', async () => {
    await writeFile(token.file, `${token.text}\n`)
    await chmod(token.file, 0o640)
    await writeNscAccountToken(token, newer())
    expect(await readFile(token.file, 'utf8')).toBe(`${newer()}\n`)
    expect((await stat(token.file)).mode & 0o777).toBe(0o640)
    expect(await readdir(dirname(token.file))).toEqual(['APP.jwt', 'users'])
  })

  test('is replaced behind a link, which stays', async () => {
    const elsewhere = join(folder.path, 'elsewhere.jwt')
    await rename(token.file, elsewhere)
    await symlink(elsewhere, token.file)
    await writeNscAccountToken(token, newer())
    expect(await readFile(elsewhere, 'utf8')).toBe(newer())
  })

  test('is not replaced when another program wrote it since, unless it wrote the same', async () => {
    await writeFile(token.file, newer({description: 'theirs'}))
    await expect(writeNscAccountToken(token, newer())).rejects.toMatchObject({
      kind: 'conflict',
      message: "The token of account 'APP' in the nsc store 'OPS' was changed by another program meanwhile.",
    })
    expect(await readFile(token.file, 'utf8')).toBe(newer({description: 'theirs'}))
    await writeFile(token.file, newer())
    await writeNscAccountToken(token, newer())
    expect(await readFile(token.file, 'utf8')).toBe(newer())
  })

  test('that cannot be written is told with what undoes the route', async () => {
    // Root may write everywhere, but not under a name that leaves no room for a second one beside it.
    const name = 'L'.repeat(245)
    await mkdir(join(store.folder, 'accounts', name))
    await writeFile(join(store.folder, 'accounts', name, `${name}.jwt`), newer())
    await rename(token.file, join(folder.path, 'kept.jwt'))
    const long = (await readNscAccountToken(operator, store.keys.account.publicKey))!
    await expect(writeNscAccountToken(long, token.text)).rejects.toMatchObject({
      message: expect.stringContaining('(ENAMETOOLONG), and the next push from it undoes the route') as string,
      suggestions: ['nsc pull --all --overwrite-newer'],
    })
    expect(await readFile(long.file, 'utf8')).toBe(newer())
  })
})

describe('drift between store and servers', () => {
  const route = {
    'a.b': [
      {subject: 'v1.a.b', weight: 60},
      {subject: 'v2.a.b', weight: 40},
    ],
  }
  const ours = (source: string): boolean => source === 'a.b'

  test('is none where only signer, time and number differ, or what is empty', () => {
    const {header, payload} = decodeToken(token.text)
    const {issuedAt, text} = token
    const again = encodeToken(
      header,
      {...payload, iss: store.keys.operator.publicKey, iat: issuedAt + 100, jti: 'other'},
      store.keys.operator,
    )
    expect(compareNscToken(text, again, () => false)).toEqual({kind: 'same'})
    expect(compareNscToken(text, newer({imports: null, description: '', mappings: {}}), () => false)).toEqual({
      kind: 'same',
    })
    expect(describeNscDrift(token, {kind: 'same'})).toBeUndefined()
  })

  test('of destinations is judged by what they mean', () => {
    const plain = newer({mappings: {'a.b': [{subject: 'x'}]}})
    expect(
      compareNscToken(plain, newer({mappings: {'a.b': [{subject: 'x', weight: 100, cluster: ''}]}}), () => false),
    ).toEqual({kind: 'same'})
    const turned = {'a.b': route['a.b'].toReversed()}
    expect(compareNscToken(newer({mappings: route}), newer({mappings: turned}), () => false)).toEqual({kind: 'same'})
  })

  test('of our own mappings alone is told and heals by itself', () => {
    const drift = compareNscToken(token.text, newer({mappings: route}), ours)
    expect(drift).toEqual({kind: 'ours', sources: ['a.b']})
    expect(describeNscDrift({...token, issuedAt: 1_800_000_000}, drift)).toBe(
      "The nsc store 'OPS' has a token of account 'APP', issued at 2027-01-15T08:00:00.000Z, in which 1 of lattice's mappings is not as on the servers.",
    )
  })

  test('of anything else is refused, without saying what stands there', () => {
    const drift = compareNscToken(
      newer({mappings: {'their.secret': [{subject: 'x', weight: 100}]}}),
      newer({mappings: route, description: 'hidden'}),
      ours,
    )
    expect(drift).toEqual({kind: 'foreign', mappings: 1, claims: ['description']})
    if (drift.kind !== 'foreign') return
    const error = new NscDriftError({...token, issuedAt: 1_800_000_000}, drift)
    expect(error).toMatchObject({
      kind: 'conflict',
      suggestions: [expect.stringMatching(/^nsc push -a APP/), expect.stringMatching(/^nsc pull --all/)],
    })
    expect(error.message).toBe(
      "The nsc store 'OPS' has a token of account 'APP', issued at 2027-01-15T08:00:00.000Z, in which 1 mapping that lattice did not make and 'description' are other than on the servers.",
    )
    expect(JSON.stringify([error, error.message])).not.toMatch(/their\.secret|hidden/)
  })

  test('of limits that a double cannot hold is seen to the last digit', () => {
    const limits = (data: string): string => {
      const {header, payload} = decodeToken(token.text)
      const nats = JSON.stringify(payload['nats']).replace('"data":-1', `"data":${data}`)
      const [body] = [
        `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${Buffer.from(JSON.stringify(payload).replace(JSON.stringify(payload['nats']), nats)).toString('base64url')}`,
      ]
      return `${body}.${Buffer.from(store.keys.operatorSigning.sign(Buffer.from(body))).toString('base64url')}`
    }
    const [one, other] = [limits('9223372036854775807'), limits('9223372036854775806')]
    expect(compareNscToken(one, limits('9223372036854775807'), ours)).toEqual({kind: 'same'})
    expect(compareNscToken(one, other, ours)).toEqual({kind: 'foreign', mappings: 0, claims: ['limits']})
  })
})
