import {finding, type Finding} from '../../routing/rule-book.js'
import {patternOf} from '../../routing/subject.js'
import type {ChangePlan} from '../draft.js'
import type {Session} from '../session.js'
import {readSubscribers, type Subscriber} from './subscribers.js'

/**
 * Who would answer along with a leaf node that splits for the whole account, which is whoever listens on the source, and
 * whom it cannot reach.
 */
export async function judgeDoubled(
  {system, account, accountWide = false}: Pick<Session, 'system' | 'account' | 'accountWide'>,
  {mappings}: Pick<ChangePlan, 'mappings'>,
): Promise<Finding[]> {
  if (!accountWide) return []
  const found = await Promise.all(
    mappings.map(async ({source}) => judgeSource(source, await readSubscribers(system, {account, subject: source}))),
  )
  const subjects = new Set(mappings.flatMap(({destinations}) => destinations.map((one) => patternOf(one.subject))))
  const reached = await Promise.all(
    [...subjects].map(async (subject) => judgeReach(subject, await readSubscribers(system, {account, subject}))),
  )
  return [...found.flat(), ...reached.flat()]
}

/** A server hands nothing back to the leaf node's link that it came by, but for one of a queue group. */
function judgeReach(subject: string, subscribers: readonly Subscriber[]): Finding[] {
  if (subscribers.length === 0 || subscribers.some(({queue}) => queue !== undefined)) return []
  const sentence = `Whoever listens on '${subject}' is in no queue group, and gets nothing from a leaf node that splits for the whole account.`
  return [finding('no-subscriber', 'refuse', {sentence})]
}

/** Who taps a wildcard hears each call twice and answers none. */
function judgeSource(source: string, subscribers: readonly Subscriber[]): Finding[] {
  const workers = subscribers.filter(({subject, queue}) => queue !== undefined || subject === source)
  const taps = subscribers.length - workers.length
  const [first] = workers
  if (first !== undefined) {
    const group = first.queue === undefined ? '' : ` in queue group '${first.queue}'`
    const others = workers.length > 1 ? `, as ${workers.length} subscribers do,` : ''
    const sentence = `Whoever listens on '${first.subject}'${group}${others} would answer each call of '${source}' as well: it would be handled twice.`
    return [finding('source-doubled', 'refuse', {source, sentence})]
  }
  if (taps === 0) return []
  const sentence = `${taps} plain ${taps === 1 ? 'subscriber hears' : 'subscribers hear'} each call of '${source}' twice: as it is called, and as it is mapped.`
  return [finding('source-doubled', 'warn', {source, sentence})]
}
