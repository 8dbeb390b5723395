import {fixOf, type Grantee} from './fix.js'
import {abilities, needsOf, type Ability, type NeedsScope} from './needs.js'
import {lacking, neededFor, type Permissions} from './permissions.js'
import type {AbilityNeeds, Answer} from './report.js'
import {countOf} from './text.js'
import {userInfoSubject} from './user.js'
import type {Wanted} from './wanted.js'

export interface AbilityQuestion {
  readonly scope: NeedsScope
  readonly wanted: Wanted
  /** Undefined when nobody tells what the user may do. */
  readonly permissions: Permissions | undefined
  readonly inboxWorks: boolean
  readonly serverTells: boolean
  /** Buckets that are known not to be there. */
  readonly absent: ReadonlySet<string>
  readonly grantee: Grantee
  /** Says why an ability is not wanted. */
  readonly whyNot: (ability: Ability) => string
}

/** Compares what each ability publishes and subscribes to with what the user may. */
export function checkAbilities(question: AbilityQuestion): {answers: Answer[]; needs: AbilityNeeds[]} {
  return {
    answers: abilities.map((ability) => judge(ability, question)),
    needs: abilities.map((ability) => {
      const level = question.wanted[ability]
      const needs = neededFor(needsOf(ability, question.scope), {level, absent: question.absent})
      const subjects = (direction: 'publish' | 'subscribe'): string[] =>
        [...new Set(needs.flatMap((need) => (need.direction === direction ? [need.subject] : [])))].sort()
      return {ability, level, publish: subjects('publish'), subscribe: subjects('subscribe')}
    }),
  }
}

function judge(ability: Ability, question: AbilityQuestion): Answer {
  const {wanted, scope, permissions, absent, grantee} = question
  const level = wanted[ability]
  if (level === 'none') return {check: ability, state: 'notNeeded', detail: question.whyNot(ability)}
  const needs = neededFor(needsOf(ability, scope), {level, absent})
  const known = permissions ?? (question.inboxWorks ? undefined : noInbox(scope))
  if (known === undefined) return unknown(ability, question)
  const lacks = lacking(needs, known)
  const all = `${countOf(needs.length, 'subject')}${level === 'read' ? ' for looking on' : ''}`
  if (lacks.length === 0) return {check: ability, state: 'ok', detail: `may use all ${all}`}
  const detail = `may not use ${lacks.length} of ${all}`
  const state = lacks.some(({optional}) => optional === undefined) ? 'missing' : 'warning'
  return {check: ability, state, detail, lacks, fix: fixOf(lacks, grantee)}
}

/** Where nobody tells the permissions, one is known all the same. */
function noInbox({inboxPrefix}: NeedsScope): Permissions {
  return {publish: {}, subscribe: {deny: [`${inboxPrefix}.>`]}, responses: true}
}

function unknown(ability: Ability, {serverTells}: AbilityQuestion): Answer {
  return serverTells
    ? {
        check: ability,
        state: 'unknown',
        detail: 'the user may not ask what it may do',
        fix: [`Let the user publish to '${userInfoSubject}'.`],
      }
    : {check: ability, state: 'unknown', detail: 'servers of this version do not tell what a user may do'}
}
