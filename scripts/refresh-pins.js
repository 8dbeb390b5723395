// Adds the checksums of the pinned release's archives to src/lib/server/pins.ts, where the release can be reached.
//   node scripts/refresh-pins.js [address of a mirror of the release]
// Each archive is downloaded and compared with SHA256SUMS of the release: nothing is pinned that was never seen.
import {readFile, writeFile} from 'node:fs/promises'

import {checkSum, download, parseSums, sha256} from '../dist/lib/server/download.js'
import {pinnedSums, pinnedVersion} from '../dist/lib/server/pins.js'
import {releaseUrl as officialUrl} from '../dist/lib/server/sources.js'

const releaseUrl = process.argv[2] ?? officialUrl
const file = new URL('../src/lib/server/pins.ts', import.meta.url)
const limits = {connectTimeoutMs: 10_000, stallTimeoutMs: 30_000, maxBytes: 128 * 1024 * 1024}
const archive = new RegExp(
  `^nats-server-v${pinnedVersion.replaceAll('.', '\\.')}-(linux|darwin|windows)-(amd64|arm64)\\.(zip|tar\\.gz)$`,
)

const listed = parseSums((await download(`${releaseUrl}/SHA256SUMS`, limits)).toString('utf8'))
const seen = new Map(Object.entries(pinnedSums))
for (const [name, sum] of listed) {
  if (!archive.test(name)) continue
  const bytes = await download(`${releaseUrl}/${name}`, limits)
  checkSum(bytes, name, sum)
  seen.set(name, sha256(bytes))
  process.stdout.write(`${sha256(bytes)}  ${name}\n`)
}

const rows = [...seen]
  .sort(([left], [right]) => (left < right ? -1 : 1))
  .map(([name, sum]) => `  '${name}':\n    '${sum}',\n`)
const text = await readFile(file, 'utf8')
const table = /(pinnedSums: Readonly<Record<string, string>> = \{\n)[^}]*(\})/
await writeFile(
  file,
  text.replace(table, (_all, before, after) => before + rows.join('') + after),
)
process.stdout.write('Now run: npx prettier --write src/lib/server/pins.ts\n')
