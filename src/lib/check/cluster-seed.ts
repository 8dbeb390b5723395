import {ConnectionError} from '../errors.js'
import {readSeed} from '../nats/creds.js'
import type {ConnectSpec} from '../nats/spec.js'
import {failed} from './failure.js'
import type {Found} from './report.js'
import type {Wanted} from './wanted.js'

/** Looks whether the seed that signs calls is there. */
export async function checkClusterSeed(spec: ConnectSpec, {calls}: Wanted): Promise<Found> {
  const {clusterSeedFile: file, timeoutMs, context} = spec
  if (calls === 'none') return {answers: [{check: 'clusterSeed', state: 'notNeeded', detail: 'only calls need it'}]}
  if (file === undefined) return {answers: [failed('clusterSeed', new MissingClusterSeedError(context))]}
  try {
    const {publicKey} = await readSeed(file, {purpose: 'cluster seed file', kind: 'C', timeoutMs})
    return {
      answers: [{check: 'clusterSeed', state: 'ok', detail: `${publicKey} signs calls`}],
      facts: {clusterKey: publicKey},
    }
  } catch (error) {
    return {answers: [failed('clusterSeed', error)]}
  }
}

/** Calls are wanted, and nothing says what signs them. */
class MissingClusterSeedError extends ConnectionError {
  constructor(context: string | undefined) {
    super('A call is signed with the cluster seed, and none is known.', {
      suggestions: [
        '--cluster-seed-file FILE (or LATTICE_CLUSTER_SEED_FILE)',
        ...(context === undefined ? [] : [`"clusterSeedFile" in the lattice part of context '${context}'`]),
      ],
    })
  }
}
