// What the desk of reviewers tells: types, and its refusals in words. The pages read it too, so that it loads
// nothing.

/** A row: decimals, longs and days are text, instants ISO 8601 in UTC. */
export type CaseCells = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

/** Where the record of a transaction stood. */
export type CasePlace = {
  readonly topic: string
  readonly partition: number
  /** In digits. */
  readonly offset: string
}

export type OpenCase = {
  readonly place: CasePlace
  /** Its row of the scored table. */
  readonly cells: CaseCells
  /** How likely it is fraud, from 0 to 1. */
  readonly probability: number
  /** null where it has no money. */
  readonly expectedLoss: number | null
  readonly heldBy: string | null
  readonly heldUntilMs: number | null
  /** Who has looked at it and was unsure. */
  readonly unsureBy: readonly string[]
}

export type ReviewFigures = {
  readonly open: number
  /** Of those that are open: somebody was unsure. */
  readonly unsure: number
  /** Of the verdicts that stand. */
  readonly verdicts: Readonly<Record<'fraud' | 'legitimate' | 'unsure', number>>
}

export type ReviewView = {
  readonly asOfMs: number
  readonly cases: readonly OpenCase[]
  /** What the reviewer holds. */
  readonly mine: OpenCase | null
  readonly figures: ReviewFigures
  /** More are open than a queue holds. */
  readonly isCut: boolean
  /** The reviewer's verdicts that stand, the last first. */
  readonly own: readonly CaseCells[]
  /** rule, fraud, decided */
  readonly rules: readonly CaseCells[]
  /** reviewer, decided, seconds (the median), of the last day */
  readonly reviewers: readonly CaseCells[]
}

export type ReviewRefusal = {
  readonly kind: 'refused'
  readonly why: 'decided' | 'held' | 'gone' | 'erasing' | 'not yours' | 'nothing to undo'
  readonly by: string | null
  readonly verdict: string | null
  /** Of the verdict, or the end of the lock. */
  readonly atMs: number | null
}

export function isRefused(answer: unknown): answer is ReviewRefusal {
  return (answer as { readonly kind?: unknown } | null)?.kind === 'refused'
}

export function refusalText({ why, by, verdict, atMs }: ReviewRefusal): string {
  const time = atMs === null ? '' : `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  switch (why) {
    case 'decided':
      return `${by} has decided this case at ${time}: ${verdict}`
    case 'held':
      return `${by} is looking at this case, until ${time} at most`
    case 'gone':
      return 'this case is not open: it is not in the scored table any more, or has left the queue'
    case 'erasing':
      return 'rows are being erased or rebuilt: try again in a moment'
    case 'not yours':
      return `this verdict is ${by}'s: it can be taken back by ${by}, an approver or an admin`
    case 'nothing to undo':
      return 'there is no verdict that could be taken back'
    default:
      return why satisfies never
  }
}
