import {bucketNames} from '../cache/key.js'
import {controlSubjects, type HostCommand} from '../control/subjects.js'
import {pingSubject} from '../control/v1.js'

/** What lattice does over a connection, as far as permissions tell it apart. */
export const abilities = ['cache', 'control', 'calls', 'routes'] as const
export type Ability = (typeof abilities)[number]

/** A subject that is used, and what for; `*` stands for names that are not known beforehand. */
export interface Need {
  readonly direction: 'publish' | 'subscribe'
  readonly subject: string
  /** Completes "to …". */
  readonly purpose: string
  /** True when looking on does without it. */
  readonly writes: boolean
  /** True when lattice does without it, only worse. */
  readonly optional?: true
  /** True when the right to answer (`allow_responses`) is enough. */
  readonly answers?: true
  /** Bucket that it makes: needed only until the bucket is there. */
  readonly makes?: string
}

/** Where the subjects lie. */
export interface NeedsScope {
  readonly lattice: string
  /** Of the JetStream API, such as `$JS.API`. */
  readonly apiPrefix: string
  /** Before the subject of a write to a bucket: empty, or the prefix of another domain with its dot. */
  readonly writePrefix: string
  readonly inboxPrefix: string
  /** Configurations are among the records: only v1 lattices have any. */
  readonly configs: boolean
  /** The only dialect that is spoken; both when undefined. */
  readonly dialect?: 'v0' | 'v1' | undefined
}

/** Bucket of the account's lease. */
export const leaseBucket = 'LATTICEACCOUNT'

/** Subject on which servers take an account's token. */
export const pushSubject = '$SYS.REQ.CLAIMS.UPDATE'

/** All that an ability publishes and subscribes to, the inbox of the answers first. */
export function needsOf(ability: Ability, scope: NeedsScope): Need[] {
  const {data, versions, config, routes} = bucketNames(scope.lattice)
  const inbox: Need = {direction: 'subscribe', subject: `${scope.inboxPrefix}.>`, purpose: 'get answers', writes: false}
  switch (ability) {
    case 'cache':
      return [
        inbox,
        ...[data, versions].flatMap((bucket) => readBucket(scope, bucket)),
        ...readBucket(scope, routes).map(
          (need) => ({...need, optional: true, purpose: 'show routes among the records'}) as const,
        ),
        ...[data, versions].flatMap((bucket) => writeBucket(scope, bucket)),
        ...(scope.configs ? [...readBucket(scope, config), ...writeBucket(scope, config)] : []),
      ]
    case 'control':
      return [
        inbox,
        ...lookAtHosts(scope),
        ...commandHosts(scope),
        {...readRecord(scope, routes, 'see before a stop what has traffic'), writes: true},
      ]
    case 'calls':
      return [
        inbox,
        ...lookAtHosts(scope),
        {direction: 'publish', subject: `wasmbus.rpc.${scope.lattice}.>`, purpose: 'call', writes: true},
      ]
    case 'routes':
      return [inbox, ...lookAtHosts(scope), ...routeNeeds(scope)]
  }
}

/** What a user of the system account must be allowed to publish for showing and changing routes of an account. */
export function systemNeeds(account: string, inboxPrefix: string): Need[] {
  const publish = (subject: string, purpose: string, writes = false): Need => ({
    direction: 'publish',
    subject,
    purpose,
    writes,
  })
  return [
    {direction: 'subscribe', subject: `${inboxPrefix}.>`, purpose: 'get answers', writes: false},
    publish('$SYS.REQ.SERVER.PING', 'find the servers'),
    ...['VARZ', 'ACCOUNTZ', 'SUBSZ'].map((part) => publish(`$SYS.REQ.SERVER.PING.${part}`, 'see what is live')),
    {...publish('$SYS.REQ.SERVER.PING.LEAFZ', 'notice callers behind leaf nodes'), optional: true},
    ...['ROUTEZ', 'GATEWAYZ'].map((part) => publish(`$SYS.REQ.SERVER.PING.${part}`, 'notice servers that are silent')),
    publish(`$SYS.REQ.ACCOUNT.${account}.CLAIMS.LOOKUP`, "read the account's token"),
    publish(pushSubject, 'push a token', true),
  ]
}

function routeNeeds(scope: NeedsScope): Need[] {
  const {data, routes} = bucketNames(scope.lattice)
  const publish = (subject: string, purpose: string, writes = true): Need => ({
    direction: 'publish',
    subject,
    purpose,
    writes,
  })
  return [
    publish('$SYS.REQ.USER.INFO', 'know the own account', false),
    ...readBucket(scope, routes),
    publish(`${scope.apiPrefix}.INFO`, 'see that there is JetStream'),
    publish(`${scope.apiPrefix}.STREAM.INFO.KV_${data}`, 'copy the number of replicas'),
    ...writeBucket(scope, routes),
    {...readRecord(scope, leaseBucket, "see who changes the account's routes"), writes: true},
    ...writeBucket(scope, leaseBucket),
    publish(command(scope, 'scale'), 'let a dark version share the traffic'),
  ]
}

function readRecord({apiPrefix}: NeedsScope, bucket: string, purpose: string): Need {
  return {direction: 'publish', subject: `${apiPrefix}.STREAM.MSG.GET.KV_${bucket}`, purpose, writes: false}
}

function readBucket(scope: NeedsScope, bucket: string): Need[] {
  const {apiPrefix} = scope
  const list = (subject: string): Need => ({direction: 'publish', subject, purpose: 'list records', writes: false})
  return [
    readRecord(scope, bucket, 'read a record'),
    list(`${apiPrefix}.CONSUMER.CREATE.KV_${bucket}.>`),
    {
      ...list(`${apiPrefix}.CONSUMER.DELETE.KV_${bucket}.*`),
      purpose: 'leave no consumer behind for ten seconds',
      optional: true,
    },
    // Measured: a list stops at 2 MB until the flow is acknowledged.
    {...list(`$JS.FC.KV_${bucket}.>`), purpose: 'list more than 2 MB of records', optional: true, answers: true},
  ]
}

function writeBucket({apiPrefix, writePrefix}: NeedsScope, bucket: string): Need[] {
  const publish = (subject: string, purpose: string): Need => ({direction: 'publish', subject, purpose, writes: true})
  const make = 'make the bucket'
  return [
    publish(`${writePrefix}$KV.${bucket}.>`, 'write a record'),
    publish(`${apiPrefix}.STREAM.INFO.KV_${bucket}`, 'see whether the bucket is there'),
    {...publish(`${apiPrefix}.STREAM.CREATE.KV_${bucket}`, make), makes: bucket},
  ]
}

function lookAtHosts({lattice, dialect}: NeedsScope): Need[] {
  const {ping, claims, inventory} = controlSubjects(lattice)
  const publish = (subject: string, purpose: string): Need => ({direction: 'publish', subject, purpose, writes: false})
  return [
    ...(dialect === 'v1' ? [] : [publish(ping, 'find hosts')]),
    ...(dialect === 'v0' ? [] : [publish(pingSubject(lattice), 'find hosts of wasmCloud 1.x')]),
    publish(claims, 'know names and versions'),
    publish(inventory('*'), 'see what a host runs'),
    {...publish('$SRV.INFO', 'find micro services'), optional: true},
  ]
}

function commandHosts(scope: NeedsScope): Need[] {
  const commands = [
    ['la', 'start an actor'],
    ['lp', 'start a provider'],
    ['scale', 'scale an actor'],
    ['sa', 'stop an actor'],
    ['sp', 'stop a provider'],
  ] as const
  return commands.map(([name, purpose]) => ({
    direction: 'publish',
    subject: command(scope, name),
    purpose,
    writes: true,
  }))
}

function command({lattice}: NeedsScope, name: HostCommand): string {
  return controlSubjects(lattice).command('*', name)
}
