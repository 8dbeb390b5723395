import {Writer} from './bytes'
import {writeString} from './json'
import {Reader} from './msgpack'

/** A part of the request's own bytes. */
class Span {
  start: usize = 0
  length: i32 = 0

  set(reader: Reader): void {
    reader.value()
    this.start = reader.start
    this.length = reader.length
  }
}

/** The answer to a `HttpServer.HandleRequest`, or null when the payload is none. */
export function echoRequest(payload: ArrayBuffer, version: string): Writer | null {
  const method = new Span()
  const path = new Span()
  const query = new Span()
  const body = new Span()
  const reader = new Reader(payload)
  const fields = reader.mapSize()
  for (let index = 0; index < fields && !reader.failed; index++) {
    const name = reader.text()
    if (name == 'method') method.set(reader)
    else if (name == 'path') path.set(reader)
    else if (name == 'queryString') query.set(reader)
    else if (name == 'body') body.set(reader)
    else reader.skip()
  }
  if (reader.failed) return null

  const out = new Writer()
  writeHead(out, version)
  const sizeAt = out.length - 4
  out.text('{"version":')
  const versionBytes = String.UTF8.encode(version)
  writeString(out, changetype<usize>(versionBytes), versionBytes.byteLength)
  writeField(out, ',"method":', method)
  writeField(out, ',"path":', path)
  writeField(out, ',"query":', query)
  writeField(out, ',"body":', body)
  out.text('}\n')
  out.patchU32(sizeAt, out.length - sizeAt - 4)
  return out
}

/** All of the response up to the size of its body, which is four bytes. */
function writeHead(out: Writer, version: string): void {
  out.byte(0x83)
  writeText(out, 'statusCode')
  out.byte(0xcd)
  out.u16(200)
  writeText(out, 'header')
  out.byte(0x82)
  writeHeader(out, 'content-type', 'application/json')
  writeHeader(out, 'x-version', version)
  writeText(out, 'body')
  out.byte(0xc6)
  out.u32(0)
}

function writeHeader(out: Writer, name: string, value: string): void {
  writeText(out, name)
  out.byte(0x91)
  writeText(out, value)
}

/** A text of at most 255 bytes. */
function writeText(out: Writer, value: string): void {
  out.byte(0xd9)
  out.byte(String.UTF8.byteLength(value) as u8)
  out.text(value)
}

function writeField(out: Writer, label: string, value: Span): void {
  out.text(label)
  writeString(out, value.start, value.length)
}
