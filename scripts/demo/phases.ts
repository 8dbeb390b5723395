import type {Sample} from './load.ts'

/** One change of the route and the traffic after it. */
export interface Phase {
  readonly name: string
  /** Percent a version. */
  readonly asked: Readonly<Record<string, number>>
  /** Answers a version, of the requests sent and answered while the split was live and no command ran. */
  readonly observed: Readonly<Record<string, number>>
  /** Sum of observed: the requests that count for shares. */
  readonly requests: number
  /** Of all requests sent from the command's start to the next one's. */
  readonly lost: number
  /** From the command's start until every server had confirmed the split. */
  readonly liveMs: number
}

/** When a phase's command started, when its split was live and when the next command started; epoch ms. */
export interface Span {
  readonly startedAt: number
  readonly liveAt: number
  readonly endedAt: number
}

/** Counts the samples of one phase. */
export function judgePhase(name: string, asked: Phase['asked'], samples: readonly Sample[], span: Span): Phase {
  const observed = Object.fromEntries(Object.keys(asked).map((version) => [version, 0]))
  let lost = 0
  let requests = 0
  for (const {sentAt, answeredAt, version} of samples) {
    if (sentAt < span.startedAt || sentAt >= span.endedAt) continue
    if (version === undefined) lost++
    // What was sent in the millisecond of the change, or is under way when the next one starts, may be routed by either.
    else if (sentAt > span.liveAt && answeredAt < span.endedAt) {
      observed[version] = (observed[version] ?? 0) + 1
      requests++
    }
  }
  return {name, asked, observed, requests, lost, liveMs: span.liveAt - span.startedAt}
}

/** Why a phase failed, undefined when it did not: something was lost, or a share is off by more than 4 standard deviations. */
export function failureOf({asked, observed, requests, lost}: Phase): string | undefined {
  if (lost > 0) return `${lost} requests were lost`
  if (requests === 0) return 'no request was measured'
  for (const [version, count] of Object.entries(observed)) {
    const share = (asked[version] ?? 0) / 100
    const deviation = Math.sqrt(requests * share * (1 - share))
    if (Math.abs(count - requests * share) > 4 * deviation) {
      return `${version} answered ${count} of ${requests}, asked were ${share * 100} %`
    }
  }
  return undefined
}

/** The 95 % Wilson interval of a share, in percent. */
export function interval(count: number, total: number): [low: number, high: number] {
  if (total === 0) return [0, 100]
  const z = 1.96
  const share = count / total
  const centre = share + (z * z) / (2 * total)
  const margin = z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total))
  const scale = 100 / (1 + (z * z) / total)
  return [Math.max(0, (centre - margin) * scale), Math.min(100, (centre + margin) * scale)]
}
