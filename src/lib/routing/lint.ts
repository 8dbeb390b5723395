import type {MappingTable} from './effective.js'
import type {MappingPlan} from './plan.js'
import {isLiteralSubject, subjectsOverlap} from './subject.js'

/** One rule that a change would break (`refuse`) or strain (`warn`); the sentence names it. */
export interface Finding {
  readonly rule: string
  readonly level: 'refuse' | 'warn'
  readonly sentence: string
}

const protectedSubjects = ['_INBOX.>', '$SYS.>', '$JS.>', '$KV.>', '$O.>', '$SRV.>', '_R_.>']
const [warnAbove, refuseAbove] = [200, 1000]

export interface LintOptions {
  /** Inbox prefix of the lattice's clients, where it is not `_INBOX`. */
  readonly inboxPrefix?: string
}

/**
 * The findings about putting a plan into a token's table: protected and overlapping sources, chained destinations,
 * duplicates, sums and the size of the table. Only what the plan adds is judged; foreign mappings are not ours to lint.
 */
export function lintPlan(table: MappingTable, plan: MappingPlan, {inboxPrefix}: LintOptions = {}): Finding[] {
  const {source} = plan
  const others = [...table.keys()].filter((other) => other !== source)
  return [
    ...lintShape(plan),
    ...[...protectedSubjects, ...(inboxPrefix === undefined ? [] : [`${inboxPrefix}.>`])]
      .filter((prefix) => subjectsOverlap(source, prefix))
      .map((prefix) =>
        refuse('protected-source', `The source '${source}' would catch '${prefix}', which NATS itself needs.`),
      ),
    ...others
      .filter((other) => subjectsOverlap(source, other))
      // Which one is not said: what others map is no business of a log.
      .slice(0, 1)
      .map(() =>
        refuse(
          'overlap',
          `The source '${source}' overlaps another mapping of the account, and which of them wins is random.`,
        ),
      ),
    ...plan.destinations
      .filter(({subject}) => subject !== source && others.some((other) => subjectsOverlap(subject, other)))
      .map(({subject}) =>
        refuse('chained', `The destination '${subject}' is itself mapped, and mappings are not chained.`),
      ),
    ...lintSize(others.length + 1, table.has(source)),
  ]
}

function lintShape({source, destinations}: MappingPlan): Finding[] {
  const wrong = [source, ...destinations.map(({subject}) => subject)].filter((subject) => !isLiteralSubject(subject))
  const subjects = destinations.map(({subject}) => subject)
  const sum = destinations.reduce((total, {weight}) => total + weight, 0)
  return [
    ...wrong.map((subject) => refuse('subject', `'${subject}' is not a subject that can be mapped.`)),
    ...(new Set(subjects).size < subjects.length
      ? [refuse('duplicate', `The mapping of '${source}' names a destination twice.`)]
      : []),
    ...(sum === 100 ? [] : [refuse('sum', `The weights of '${source}' sum to ${sum}, not to 100.`)]),
  ]
}

function lintSize(size: number, replaces: boolean): Finding[] {
  if (replaces || size <= warnAbove) return []
  if (size <= refuseAbove) {
    return [
      {
        rule: 'many-mappings',
        level: 'warn',
        sentence: `The account would have ${size} mappings, and every message is compared with each.`,
      },
    ]
  }
  return [
    refuse(
      'too-many-mappings',
      `The account would have ${size} mappings, and more than ${refuseAbove} halve its throughput.`,
    ),
  ]
}

function refuse(rule: string, sentence: string): Finding {
  return {rule, level: 'refuse', sentence}
}
