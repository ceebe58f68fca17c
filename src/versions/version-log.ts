// rules/versions read and written.

import { LakehouseError } from '../errors/errors.ts'
import {
  ruleVersionsAppId as appId,
  ruleVersionsDefinition as definition,
  ruleVersionsPath as path,
} from '../ops/rule-versions.ts'
import type { Lakehouse } from '../plan/index.ts'
import type { Anchor } from './anchor.ts'
import type { NewRow } from './change-versions.ts'
import { storeModels } from './model-store.ts'
import { type ApprovalPolicy, type Versions, versionsOf } from './rule-version.ts'
import { linkOf, sealOf } from './seal.ts'
import {
  logVersion,
  type ReadCells,
  type SequencedLog,
  type SequencedLogTable,
  withSequencedLog,
} from './sequenced-log.ts'
import type { VersionRow } from './version-row.ts'

const table: SequencedLogTable = { path, definition, appId }

export type VersionLogOptions = {
  /** Where its rules have a file, models are stored that lie beside it. */
  readonly lakehouse?: Pick<Lakehouse, 'rulesFrom'>
  readonly deltaBasePath: string
  readonly policy: ApprovalPolicy
  /** Microseconds since the epoch. */
  readonly clock: () => bigint
}

/** Opens the log for one piece of work. */
export async function withVersionLog<T>(
  options: VersionLogOptions,
  work: (log: VersionLog) => Promise<T>,
): Promise<T> {
  return await withSequencedLog(options.deltaBasePath, table, (log) => work(new VersionLog(options, log)))
}

/** The version of the Delta table; null where nobody has written it. */
export function versionLogVersion(deltaBasePath: string): Promise<bigint | null> {
  return logVersion(deltaBasePath, table)
}

export class VersionLog {
  readonly #options: VersionLogOptions
  readonly #log: SequencedLog

  constructor(options: VersionLogOptions, log: SequencedLog) {
    this.#options = options
    this.#log = log
  }

  async rows(): Promise<readonly VersionRow[]> {
    return (await this.#log.read()).map(rowFrom)
  }

  /** Fails with RULES_LOG_BROKEN where the rows are not those that were sealed. */
  async read(): Promise<Versions> {
    const versions = versionsOf(await this.rows(), this.#options.policy, await this.#anchor())
    refuseBroken(versions)
    await this.#remember(versions)
    return versions
  }

  /** Writes what `decide` makes of the versions as they are; none where it gives no rows. */
  async change(decide: (versions: Versions) => readonly NewRow[]): Promise<Versions> {
    await this.#write(decide, refuseBroken)
    return await this.read()
  }

  /** The same of rows that are not those that were sealed: what it writes takes them in. */
  async sealAnew(decide: (versions: Versions) => readonly NewRow[]): Promise<Versions> {
    await this.#write(decide, () => undefined)
    await this.#remember(versionsOf(await this.rows(), this.#options.policy))
    return await this.read()
  }

  async #write(
    decide: (versions: Versions) => readonly NewRow[],
    refuse: (versions: Versions) => void,
  ): Promise<void> {
    const anchor = await this.#anchor()
    const decided = (rows: readonly VersionRow[]): readonly [Versions, readonly NewRow[]] => {
      const versions = versionsOf(rows, this.#options.policy, anchor)
      refuse(versions)
      return [versions, decide(versions)]
    }
    // Before the rows: a version that is recorded has its model.
    await this.#storeModels(decided(await this.rows())[1])
    await this.#log.change((rows, next) => {
      const [versions, added] = decided(rows.map(rowFrom))
      return this.#numbered(versions, added, next).map(({ atMicros, ...row }) => {
        return { ...row, at: atMicros }
      })
    })
  }

  async #storeModels(rows: readonly NewRow[]): Promise<void> {
    const { lakehouse, deltaBasePath, clock } = this.#options
    const rulesFile = lakehouse?.rulesFrom?.file
    const texts = rows.flatMap(({ text }) => text ?? [])
    if (rulesFile !== undefined) await storeModels({ deltaBasePath, rulesFile }, texts, clock())
  }

  async #anchor(): Promise<Anchor | null> {
    const { policy } = this.#options
    return policy.kind === 'none' ? null : ((await policy.anchors?.read()) ?? null)
  }

  async #remember({ sealedTo }: Versions): Promise<void> {
    const { policy } = this.#options
    if (policy.kind === 'none' || policy.anchors === undefined || sealedTo === null) return
    const before = await policy.anchors.read()
    const isSame = before?.sequence === sealedTo.sequence && before.link === sealedTo.link
    if (!isSame) await policy.anchors.write(sealedTo)
  }

  #numbered({ link }: Versions, rows: readonly NewRow[], next: bigint): VersionRow[] {
    const { policy, clock } = this.#options
    const atMicros = clock()
    let before = link
    return rows.map((row, index) => {
      const numbered = { ...row, sequence: next + BigInt(index), atMicros }
      before = linkOf(before, numbered)
      return { ...numbered, seal: policy.kind === 'none' ? null : sealOf(policy.key, before) }
    })
  }
}

/** Fails with RULES_LOG_BROKEN. */
export function refuseBroken({ broken }: Pick<Versions, 'broken'>): void {
  if (broken === null) return
  throw new LakehouseError(
    'RULES_LOG_BROKEN',
    `${path} is not as it was sealed: ${broken}. Bring the table, or the key, back from a backup; or, when you have looked at all rows ` +
      '("assay query" shows rules.versions) and they are right, "assay rules reseal" takes them in, by an admin.',
  )
}

function rowFrom(row: ReadCells): VersionRow {
  return {
    sequence: BigInt(row.sequence ?? 0),
    event: row.event as VersionRow['event'], // As `versionEvents` has them.
    version: Number(row.version),
    hash: row.hash ?? null,
    text: row.text ?? null,
    user: row.user ?? '',
    role: row.role ?? null,
    atMicros: BigInt(row.at ?? 0),
    reason: row.reason ?? null,
    origin: (row.origin ?? 'command line') as VersionRow['origin'],
    seal: row.seal ?? null,
  }
}
