import {gunzipSync, inflateRawSync} from 'node:zlib'

import {ServerError} from '../errors.js'

/** No nats-server is near this size; it bounds what a wrong archive can unfold to. */
const largestFile = 256 * 1024 * 1024

/**
 * The bytes of the only file with that base name in a zip archive (wheels are zip too) or a gzipped tar archive.
 * Throws a ServerError when there is no such file or the archive is damaged.
 */
export function readArchivedFile(archive: Buffer, name: string): Buffer {
  try {
    const bytes =
      archive[0] === 0x1f ? readTar(gunzipSync(archive, {maxOutputLength: largestFile}), name) : readZip(archive, name)
    if (bytes !== undefined) return bytes
  } catch (cause) {
    throw new ServerError('The archive is damaged.', {cause})
  }
  throw new ServerError(`The archive holds no file '${name}'.`)
}

function readZip(archive: Buffer, name: string): Buffer | undefined {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (end < 0) throw new Error('no central directory')
  let entry = archive.readUInt32LE(end + 16)
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) =>
      archive.readUInt16LE(entry + field),
    ) as [number, number, number]
    const path = archive.toString('utf8', entry + 46, entry + 46 + nameLength)
    if (baseName(path) === name) return readZipEntry(archive, entry)
    entry += 46 + nameLength + extraLength + commentLength
  }
  return undefined
}

function readZipEntry(archive: Buffer, entry: number): Buffer {
  const method = archive.readUInt16LE(entry + 10)
  const packedSize = archive.readUInt32LE(entry + 20)
  const size = archive.readUInt32LE(entry + 24)
  const local = archive.readUInt32LE(entry + 42)
  const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28)
  const packed = archive.subarray(start, start + packedSize)
  const bytes = method === 0 ? packed : inflateRawSync(packed, {maxOutputLength: largestFile})
  if (bytes.length !== size) throw new Error('wrong size')
  return bytes
}

function readTar(archive: Buffer, name: string): Buffer | undefined {
  const block = 512
  for (let entry = 0; entry + block <= archive.length;) {
    const text = (from: number, length: number): string =>
      archive.toString('utf8', entry + from, entry + from + length).split('\0')[0] ?? ''
    const path = text(0, 100)
    if (path === '') return undefined
    const size = Number.parseInt(text(124, 12).trim(), 8)
    if (!Number.isSafeInteger(size)) throw new Error('wrong size')
    const start = entry + block
    if (baseName(path) === name && ['0', ''].includes(text(156, 1))) {
      if (start + size > archive.length) throw new Error('cut short')
      return archive.subarray(start, start + size)
    }
    entry = start + Math.ceil(size / block) * block
  }
  return undefined
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
