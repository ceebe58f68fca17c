// What server and pages tell each other: types alone, so that the pages load nothing of the server.
import type { ReportSection } from '../backtest/report-section.ts'
import type { Decision } from '../decisions/decision-answer.ts'
import type { CasePlace, OpenCase, ReviewView } from '../review/review-answers.ts'
import type { UserRole } from './roles.ts'

export type SessionAnswer = {
  /** null before the login. */
  readonly user: { readonly name: string; readonly role: UserRole; readonly seesIds: boolean } | null
  readonly token: string | null
  /** Whether there are users at all: on this machine without them everybody is let in. */
  readonly hasUsers: boolean
  readonly title: string
}

export type ColumnAnswer = { readonly name: string; readonly type: string }

/** The lakehouse as the pages know it: they name no column but by it. */
export type LakehouseAnswer = {
  readonly deltaBasePath: string
  readonly reads: string
  readonly engine: string
  readonly streams: readonly string[]
  readonly tables: readonly TableAnswer[]
  /** The path of the table in each role. */
  readonly roles: {
    readonly records: string
    readonly events: string
    readonly refused: string
    readonly scored: string | null
  }
  readonly names: { readonly event: string; readonly person: string }
  readonly rules: readonly { readonly name: string; readonly points: number; readonly meaning: string }[]
  readonly reasons: Readonly<Record<string, string>>
}

export type TableAnswer = {
  readonly path: string
  readonly sqlName: string
  readonly meaning: string
  /** The stream that writes it; null for what is kept of the work itself. */
  readonly stream: string | null
  /** It is made when there is something for it; many a lakehouse never has it. */
  readonly isMadeLater: boolean
  /** The tables that its rows come from; none for the one that reads the input. */
  readonly from: readonly string[]
  readonly columns: readonly ColumnAnswer[]
  /** null for a table without windows. */
  readonly windows: {
    readonly keys: readonly string[]
    readonly numbers: readonly string[]
    readonly live: string
    readonly sizeMs: number
  } | null
}

/** Times are milliseconds since the epoch. */
export type LiveState = {
  readonly asOfMs: number
  readonly startedMs: number
  readonly state: 'starting' | 'backlog' | 'live' | 'waiting' | 'failing' | 'away' | 'stopping'
  readonly batch: number | null
  readonly lastBatchMs: number | null
  readonly recordsTotal: number
  readonly recordsPerSecond: number
  readonly refusedTotal: number
  readonly lag: {
    readonly records: number | null
    readonly bytes: number | null
    readonly seconds: number | null
    readonly drainSeconds: number | null
    readonly seenMs: number | null
  }
  readonly latency: { readonly p50: number | null; readonly p95: number | null; readonly p99: number | null }
  readonly memory: { readonly resident: number; readonly heap: number }
  readonly tables: Readonly<Record<string, LiveTable>>
  readonly partitions: readonly LivePartition[]
  /** Mean milliseconds by phase, over the last minute. */
  readonly phases: Readonly<Record<string, number>>
  readonly refusals: Readonly<Record<string, number>>
  readonly levels: Readonly<Record<string, number>>
  readonly firings: Readonly<Record<string, number>>
  readonly findings: readonly LiveFinding[]
}

export type LiveTable = {
  readonly rowsPerSecond: number
  readonly rowsSinceStart: number
  readonly rows: number | null
  readonly version: number | null
  readonly files: number | null
  readonly bytes: number | null
  readonly committedMs: number | null
  /** From the commit of what it reads to its own, in the mean of the last minute. */
  readonly hopMs: number | null
  readonly watermarkMs: number | null
}

export type LivePartition = {
  readonly topic: string
  readonly partition: number
  readonly eventTimeMs: number | null
  readonly lagRecords: number | null
  readonly holdsBack: boolean
}

export type LiveFinding = {
  readonly severity: 'info' | 'warn' | 'error'
  readonly message: string
  /** What helps. */
  readonly advice: string | null
  readonly code: string | null
  readonly sinceMs: number | null
}

/** One second: when, records/s, p50, p95, p99, lag, resident and heap bytes. */
export type LivePoint = readonly (number | null)[]

export type BatchTrace = {
  readonly batch: number
  readonly endMs: number
  readonly totalMs: number
  readonly records: number
  /** Each with its end and how long it took, in milliseconds before the end of the batch. */
  readonly spans: readonly { readonly name: string; readonly fromMs: number; readonly toMs: number }[]
  readonly commits: readonly { readonly table: string; readonly atMs: number; readonly rows: number }[]
}

/** A transaction of the feed: columns of the scored table by name, with what its rules say. */
export type FeedRow = {
  readonly cells: Readonly<Record<string, string | number | boolean | null | readonly string[]>>
  readonly sentences: readonly {
    readonly rule: string
    readonly points: number | null
    readonly text: string
  }[]
}

export type HelloEvent = {
  readonly state: LiveState
  readonly points: readonly LivePoint[]
  readonly batches: readonly BatchTrace[]
  readonly feed: readonly FeedRow[]
}

export type TickEvent = {
  readonly state: LiveState
  readonly points: readonly LivePoint[]
  readonly batches: readonly BatchTrace[]
  readonly feed: readonly FeedRow[]
}

/** Rows of a query: cells are text, as exact as in the table; null is null. */
export type RowsAnswer = {
  readonly columns: readonly ColumnAnswer[]
  readonly rows: readonly (readonly (string | null)[])[]
  /** More rows than are here. */
  readonly isCut: boolean
  readonly asOfMs: number
  readonly ms: number
}

export type QualityAnswer = {
  /** One row: how many rows the tables of records, events and refused records have. */
  readonly conservation: RowsAnswer
  /** By hour and reason. */
  readonly refusals: RowsAnswer
  /** The figures of the newest window, and what was unusual; null where the lakehouse has no such table. */
  readonly newest: RowsAnswer | null
  readonly anomalies: RowsAnswer | null
  /** Each feature of the model, and its score, on the newest day; null where no day was measured. */
  readonly drift: RowsAnswer | null
}

export type TableDetailAnswer = {
  readonly path: string
  readonly exists: boolean
  readonly version: string | null
  readonly rows: string | null
  readonly files: number
  readonly bytes: string
  readonly createdMs: number | null
  readonly columns: readonly ColumnAnswer[]
  readonly partitionedBy: readonly string[]
  readonly properties: Readonly<Record<string, string>>
  readonly history: readonly {
    readonly version: string
    readonly atMs: number
    readonly operation: string
    readonly rows: string
    readonly filesAdded: number
    readonly filesRemoved: number
  }[]
  readonly asOfMs: number
}

/** A case of the queue. */
export type ReviewCase = FeedRow & Omit<OpenCase, 'cells'>

export type ReviewAnswer = Omit<ReviewView, 'cases' | 'mine'> & {
  readonly cases: readonly ReviewCase[]
  readonly mine: ReviewCase | null
  readonly mayDecide: boolean
}

export type ReviewPlace = CasePlace

export type ReviewContextAnswer = {
  readonly asOfMs: number
  /** The person's events before the case; null where nobody knows the person. */
  readonly before: {
    readonly count: number
    readonly usual: number | null
    readonly most: string | null
    readonly first: string | null
  } | null
  /** How many of them had the same value. */
  readonly facts: readonly { readonly column: string; readonly value: string; readonly count: number }[]
  readonly history: readonly (FeedRow & { readonly verdict: string | null })[]
}

export type FailureAnswer = { readonly error: { readonly code: string; readonly message: string } }

/** The rules as they stand in their file. */
export type RulesAnswer = {
  readonly file: string
  readonly text: string
  readonly reviewFrom: number
  readonly levels: readonly { readonly name: string; readonly scoreMin: number }[]
  readonly rules: readonly {
    readonly name: string
    readonly points: number
    readonly when: string
    readonly meaning: string
  }[]
}

/** The versions of the rules, the newest first. */
export type VersionsAnswer = {
  readonly approval: 'none' | 'other_person'
  readonly user: string
  readonly mayPropose: boolean
  readonly mayDecide: boolean
  readonly mayRollBack: boolean
  /** Some version was a shadow once: there is what it said. */
  readonly hasShadows: boolean
  /** Rows of rules/versions that count for nothing, and why. */
  readonly ignored: readonly string[]
  readonly versions: readonly {
    readonly version: number
    readonly status: 'proposed' | 'approved' | 'rejected' | 'active' | 'retired'
    readonly text: string
    readonly authors: readonly string[]
    readonly approvedBy: string | null
    readonly proposedAtMs: number
    readonly activatedAtMs: number | null
    /** Since when it is asked of every transaction and decides nothing; null where it is not. */
    readonly shadowSinceMs: number | null
    readonly reason: string | null
    /** What is other than in the active version, in words. */
    readonly changes: readonly string[]
  }[]
}

export type RulesCheckAnswer = {
  readonly mistakes: readonly { readonly line: number; readonly column: number; readonly message: string }[]
  readonly wrongExamples: readonly { readonly line: number; readonly text: string }[]
  /** What is other than in the active rules, in words. */
  readonly changes: readonly string[]
}

export type BacktestAnswer = {
  readonly asOfMs: number
  readonly ms: number
  readonly sections: readonly ReportSection[]
  readonly curves: readonly {
    readonly name: string
    readonly points: readonly { readonly precision: number; readonly recall: number }[]
  }[]
}

/** What shadows said beside what was decided. */
export type ShadowsAnswer = {
  readonly asOfMs: number
  readonly sections: readonly ReportSection[]
}

/** A transaction to begin with, as JSON. */
export type WhatIfStart = { readonly example: string }

export type WhatIfAnswer = { readonly decisions: readonly Decision[]; readonly ms: number }
