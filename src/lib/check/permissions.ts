import {grantOf, refusal, type Grant, type Refusal, type WireGrant} from '../nats/grants.js'
import type {Need} from './needs.js'

/** What a user may do, as its server or its token says. */
export interface Permissions {
  readonly publish: Grant
  readonly subscribe: Grant
  /** True when it may answer whoever sent it a message. */
  readonly responses: boolean
}

/** Something that is needed and not allowed. */
export interface Lack {
  readonly direction: Need['direction']
  readonly subject: string
  readonly purpose: string
  readonly reason: Refusal['kind']
  /** True when lattice does without it, only worse. */
  readonly optional?: true
  /** The part of the subject that is denied, where it is not all. */
  readonly denied?: string
}

/** How far an ability is meant to be used. */
export type Level = 'none' | 'read' | 'write'

export interface NeedsFilter {
  readonly level: Level
  /** Buckets that are known not to be there: only those have to be made. */
  readonly absent: ReadonlySet<string>
}

/** The needs of an ability that count for how far it is used and for the buckets there are. */
export function neededFor(needs: readonly Need[], {level, absent}: NeedsFilter): Need[] {
  return needs.filter(({writes, makes}) => {
    if (makes !== undefined && !absent.has(makes)) return false
    return level === 'write' || (level === 'read' && !writes)
  })
}

/** The needs that the permissions do not meet, in their order. */
export function lacking(needs: readonly Need[], permissions: Permissions): Lack[] {
  return needs.flatMap((need) => {
    if (need.answers === true && permissions.responses) return []
    const refused = samples(need)
      .map((subject) => refusal(subject, permissions[need.direction]))
      .find((found) => found !== undefined)
    if (refused === undefined) return []
    const {direction, subject, purpose, optional} = need
    const part = refused.kind === 'denied' && direction === 'publish' && refused.extent === 'part'
    return [
      {
        direction,
        subject,
        purpose,
        reason: refused.kind,
        ...(optional === undefined ? {} : {optional}),
        ...(part ? {denied: refused.subject} : {}),
      },
    ]
  })
}

/**
 * A subscription is judged as a whole, and the names of inboxes are random: what denies one certain name, or allows more
 * than is asked for, does not matter.
 */
function samples({direction, subject}: Need): readonly string[] {
  if (direction === 'publish') return [subject]
  const inbox = subject.replace(/\.>$/, '')
  return inbox === subject ? [subject] : [`${inbox}.${someName}`, `${inbox}.${someName}.${someName}`]
}

const someName = 'LATTICECHECKLATTICECHE'

export interface WirePermissions {
  readonly publish?: WireGrant | null | undefined
  readonly subscribe?: WireGrant | null | undefined
  readonly responses?: object | null | undefined
}

/** Permissions as servers and tokens write them; undefined means that everything is allowed. */
export function permissionsOf(wire: WirePermissions | null | undefined): Permissions {
  return {
    publish: grantOf(wire?.publish),
    subscribe: withoutQueues(grantOf(wire?.subscribe)),
    responses: wire?.responses !== undefined && wire.responses !== null,
  }
}

/** `subject queue` is about members of that queue group, and lattice subscribes outside of any. */
function withoutQueues({allow, deny}: Grant): Grant {
  const plain = (patterns: readonly string[]): string[] => patterns.filter((pattern) => !/\s/.test(pattern))
  return {...(allow && {allow: plain(allow)}), ...(deny && {deny: plain(deny)})}
}
