import {crc32, deflateRawSync, gzipSync} from 'node:zlib'

/** A zip archive of one compressed file, as release archives and wheels are. */
export function zipOf(path: string, bytes: Buffer): Buffer {
  const packed = deflateRawSync(bytes)
  const name = Buffer.from(path)
  const common = Buffer.alloc(26)
  common.writeUInt16LE(20, 0)
  common.writeUInt16LE(8, 4)
  common.writeUInt32LE(crc32(bytes), 10)
  common.writeUInt32LE(packed.length, 14)
  common.writeUInt32LE(bytes.length, 18)
  common.writeUInt16LE(name.length, 22)
  const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, packed])
  const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, Buffer.alloc(14), name])
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(local.length, 16)
  return Buffer.concat([local, central, end])
}

/** A gzipped tar archive of one file after a folder entry. */
export function tarGzOf(path: string, bytes: Buffer): Buffer {
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  const padding = Buffer.alloc((512 - (bytes.length % 512)) % 512)
  return gzipSync(
    Buffer.concat([tarHeader(folder, 0, '5'), tarHeader(path, bytes.length, '0'), bytes, padding, Buffer.alloc(1024)]),
  )
}

function tarHeader(path: string, size: number, type: string): Buffer {
  const header = Buffer.alloc(512)
  header.write(path, 0)
  header.write(size.toString(8).padStart(11, '0'), 124)
  header.write(type, 156)
  return header
}
