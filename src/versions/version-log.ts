// rules/versions read and written.
import {
  ruleVersionsAppId as appId,
  ruleVersionsDefinition as definition,
  ruleVersionsPath as path,
} from '../ops/rule-versions.ts'
import type { NewRow } from './change-versions.ts'
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

  async read(): Promise<Versions> {
    return versionsOf(await this.rows(), this.#options.policy)
  }

  /** Writes what `decide` makes of the versions as they are; none where it gives no rows. */
  async change(decide: (versions: Versions) => readonly NewRow[]): Promise<Versions> {
    await this.#log.change((rows, next) => {
      const versions = versionsOf(rows.map(rowFrom), this.#options.policy)
      return this.#numbered(versions, decide(versions), next).map(({ atMicros, ...row }) => {
        return { ...row, at: atMicros }
      })
    })
    return await this.read()
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
