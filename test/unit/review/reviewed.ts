// A lakehouse with transactions to be reviewed, desks over it, and what its tables say by themselves.
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, loadConfig } from '../../../src/config/config.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { opsDirectory } from '../../../src/ops/tables.ts'
import { verdictsPath } from '../../../src/ops/verdicts.ts'
import { openReader } from '../../../src/query/reader.ts'
import type { ReviewDesk } from '../../../src/review/desk.ts'
import { openReview } from '../../../src/review/open-review.ts'
import { isRefused, type OpenCase } from '../../../src/review/review-answers.ts'
import { newLakehouse, runOnce, writeInput } from '../engine/pipeline.ts'

export type Reviewed = {
  readonly base: string
  /** Of this test, whatever `base` is. */
  readonly directory: string
  readonly config: Config
  /** A clock that tests move. */
  nowMs: number
  desk(): Promise<ReviewDesk>
  /** Over a copy of it. */
  deskOf(deltaBasePath: string): Promise<ReviewDesk>
  add(from: number, to: number, more?: object): Promise<void>
  /** Rows of a query, as text. */
  rows(sql: string): Promise<readonly (readonly string[])[]>
  remove(): Promise<void>
}

/** Each third requires review: an amount above 5,000, paid by crypto, on a Saturday. */
export function transactionText(index: number, more: object = {}): string {
  const isRisky = index % 3 === 0
  return `${JSON.stringify({
    transaction_id: `t-${index}`,
    user_id: 100 + (index % 20),
    amount: isRisky ? 5_001 + ((index * 7_919) % 4_000) : 20 + index,
    merchant: `Shop ${index % 7}`,
    payment_method: isRisky ? 'crypto' : 'credit_card',
    location: index % 6 === 0 ? 'Lagos, Nigeria' : 'Paris, France',
    device_id: `d-${index % 9}`,
    timestamp: new Date(Date.UTC(2026, 9, 3, 12, 0, 0) + index * 1_000).toISOString(),
    ...more,
  })}\n`
}

export async function reviewedLakehouse(storeUrl: string | null = null): Promise<Reviewed> {
  const made = await newLakehouse()
  const lakehouse = { ...made, base: storeUrl ?? made.base }
  await writeInput(lakehouse, [])
  const environment = { DELTA_BASE_PATH: lakehouse.base }
  const config = loadConfig(standardLakehouse, environment, join(made.base, '.env'))
  const desks: ReviewDesk[] = []
  const reviewed: Reviewed = {
    base: lakehouse.base,
    directory: join(made.base, '..'),
    config,
    nowMs: Date.UTC(2026, 10, 3),
    desk: () => reviewed.deskOf(lakehouse.base),
    async deskOf(deltaBasePath) {
      const desk = await openReview({ ...config, deltaBasePath }, () => reviewed.nowMs)
      desks.push(desk!)
      return desk!
    },
    async add(from, to, more = {}) {
      const indexes = Array.from({ length: to - from }, (_, index) => from + index)
      await appendFile(lakehouse.input, indexes.map((index) => transactionText(index, more)).join(''))
      await runOnce(lakehouse, { recordsPerBatchMax: 1_000_000 })
    },
    async rows(sql) {
      const reader = await openReader(config)
      try {
        const rows = await (await reader.select(sql)).getRowsJson()
        return rows.map((row) => row.map(String))
      } finally {
        reader.close()
      }
    },
    async remove() {
      for (const desk of desks) await desk.close()
      await lakehouse.remove()
    },
  }
  return reviewed
}

export type VerdictRow = {
  readonly sequence: number
  readonly verdict: string
  readonly undoes: number | null
  readonly reviewer: string
  readonly event: string
}

/** All rows of the table, in their order. */
export async function verdictRows(reviewed: Reviewed): Promise<readonly VerdictRow[]> {
  if (!(await DeltaTable.exists(opsDirectory(reviewed.base, verdictsPath)))) return []
  const rows = await reviewed.rows(
    `select sequence, verdict, undoes, reviewer, event from review.verdicts order by sequence`,
  )
  return rows.map(([sequence, verdict, undoes, reviewer, event]) => ({
    ...{ sequence: Number(sequence), verdict: verdict!, reviewer: reviewer!, event: event! },
    undoes: undoes === 'null' ? null : Number(undoes),
  }))
}

/** What is open, by hand: the ids of those that require review and have no final verdict that stands. */
export async function openByHand(reviewed: Reviewed): Promise<readonly string[]> {
  const all = (await reviewed.rows('select transaction_id from fraud_detection where requires_review')).flat()
  const closed = new Set<string>()
  const byNumber = new Map<number, VerdictRow>()
  for (const row of await verdictRows(reviewed)) {
    byNumber.set(row.sequence, row)
    if (row.undoes !== null) {
      const undone = byNumber.get(row.undoes)!
      if (undone.verdict !== 'unsure') closed.delete(undone.event)
    } else if (row.verdict !== 'unsure') closed.add(row.event)
  }
  return all.filter((id) => !closed.has(id)).sort()
}

/** The case that somebody got. */
export function takenCase(answer: Awaited<ReturnType<ReviewDesk['next']>>): OpenCase {
  if (answer === null || isRefused(answer)) throw new Error(`no case: ${JSON.stringify(answer)}`)
  return answer
}
