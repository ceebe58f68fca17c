// An experiment as the tables tell it: rules that decided for a share of the customers, beside those that
// decided for the others.
import { openHistory, type ScoredHistory } from '../backtest/scored-history.ts'
import { rowsOf } from '../engines/database.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type ArmName, armNames } from '../fraud/arms.ts'
import type { Lakehouse } from '../plan/index.ts'
import { dailySums } from './daily-sums.ts'
import {
  type ExperimentFigure,
  experimentAlpha,
  experimentFigure,
  figureNames,
  type SharesFound,
  sharesFound,
} from './figures.ts'

export type Experiment = {
  readonly name: string
  /** Of the customers, the share that the candidate decides for. */
  readonly share: number
  /** The column that names the customer. */
  readonly by: string
  readonly candidateVersion: number
  readonly startedAtMicros: bigint
  /** null while it goes on. */
  readonly endedAtMicros: bigint | null
  /** Batches from then on are another experiment's; null: there is none. */
  readonly scoredBeforeMicros: bigint | null
}

export type ExperimentOptions = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly experiment: Experiment
  readonly asOfMicros: bigint
  readonly maturityMicros: bigint
  readonly duckdb: Readonly<Record<string, string>>
}

export type ExperimentReport = {
  readonly name: string
  readonly candidateVersion: number
  readonly by: string
  readonly share: number
  readonly startedAt: string
  readonly endedAt: string | null
  readonly asOf: string
  readonly labelMaturityDays: number
  /** The probability with which all intervals of all days hold what is true. */
  readonly confidence: number
  readonly figures: readonly ExperimentFigure[]
  readonly shares: SharesFound
  readonly transactions: Readonly<Record<ArmName, number>> & {
    readonly pending: number
    /** Of no customer: the control decides, and they are not counted. */
    readonly withoutKey: number
    /** In another arm than the name and the key say: not counted. */
    readonly misplaced: number
  }
  /** By which versions each arm was decided. */
  readonly versions: readonly {
    readonly arm: ArmName
    readonly version: number | null
    readonly transactions: number
  }[]
}

/** Fails with CONFIG_INVALID where the table of scores lacks a column that is needed. */
export async function reportExperiment(options: ExperimentOptions): Promise<ExperimentReport> {
  const { lakehouse, experiment, asOfMicros, maturityMicros } = options
  const schema = scoredSchema(lakehouse, experiment)
  const history = await openHistory({
    ...options,
    ...{ fromMicros: null, toMicros: null },
    columns: [...Object.keys(neededColumns), 'rules_version', experiment.by].filter((name) => name in schema),
    scored: { fromMicros: experiment.startedAtMicros, toMicros: experiment.scoredBeforeMicros },
  })
  try {
    const { name, share, by } = experiment
    const sums = await dailySums(history, { name, share, by, asOfMicros, maturityMicros })
    return {
      ...{ name, by, share, candidateVersion: experiment.candidateVersion },
      startedAt: instantText(experiment.startedAtMicros),
      endedAt: experiment.endedAtMicros === null ? null : instantText(experiment.endedAtMicros),
      asOf: instantText(asOfMicros),
      labelMaturityDays: Number(maturityMicros) / 86_400_000_000,
      confidence: 1 - experimentAlpha,
      figures: figureNames.map((figure) => experimentFigure(figure, sums.looks[figure], share)),
      shares: sharesFound(sums.counts, share),
      transactions: {
        ...sums.transactions,
        pending: sums.pending,
        withoutKey: sums.withoutKey,
        misplaced: sums.misplaced,
      },
      versions: 'rules_version' in schema ? await versionsOf(history) : [],
    }
  } finally {
    history.close()
  }
}

const neededColumns = { variant: 'string', requires_review: 'boolean', amount: 'decimal(18,2)' } as const

function scoredSchema({ scored }: Lakehouse, { by }: Experiment): Readonly<Record<string, string>> {
  if (scored === null) {
    throw new LakehouseError('CONFIG_INVALID', 'this lakehouse scores nothing: there is no experiment in it.')
  }
  const schema: Readonly<Record<string, string>> = scored.rows.schema
  for (const [name, type] of Object.entries(neededColumns)) {
    if (schema[name] === type) continue
    const message = `an experiment needs a column ${name} of type ${type} in ${scored.path}.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  if (by in schema) return schema
  throw new LakehouseError('CONFIG_INVALID', `${scored.path} has no column ${by} that could name a customer.`)
}

async function versionsOf({ connection, rows }: ScoredHistory): Promise<ExperimentReport['versions']> {
  const found = await rowsOf(
    connection,
    `SELECT variant AS arm, rules_version AS version, CAST(count(*) AS DOUBLE) AS transactions FROM (${rows})
      WHERE variant IN ('${armNames.join("', '")}') GROUP BY ALL ORDER BY ALL`,
  )
  return found as unknown as ExperimentReport['versions']
}

function instantText(micros: bigint): string {
  return new Date(Number(micros / 1000n)).toISOString()
}
