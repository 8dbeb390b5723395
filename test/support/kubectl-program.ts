// Plays `kubectl apply -f -` against a folder that stands for the cluster: `node kubectl-program.ts FOLDER`. It takes one
// ConfigMap on its standard input, and stores each of its files as a cluster would, for kubelets to fetch later.
import {mkdir, rename, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {stdin, stdout} from 'node:process'
import {text} from 'node:stream/consumers'

import {parse} from 'yaml'

interface Manifest {
  readonly kind: string
  readonly metadata: {readonly name: string; readonly namespace: string}
  readonly data: Readonly<Record<string, string>>
}

const manifest = parse(await text(stdin)) as Manifest
if (manifest.kind !== 'ConfigMap') throw new Error(`This is no ConfigMap: ${manifest.kind}`)
const {name, namespace} = manifest.metadata
const folder = join(process.argv[2]!, namespace)
await mkdir(folder, {recursive: true})
const path = join(folder, `${name}.json`)
await writeFile(`${path}.new`, JSON.stringify(manifest))
await rename(`${path}.new`, path)
stdout.write(`configmap/${name} configured\n`)
