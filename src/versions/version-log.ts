// rules/versions read and written. Of two processes that write at once the second looks at what the first
// wrote, and decides anew.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { DeltaTable } from '../delta/index.ts'
import { rowsOf } from '../engines/database.ts'
import { SequencedTable } from '../engines/sequenced-table.ts'
import { LakehouseError } from '../errors/errors.ts'
import { ruleVersionsAppId, ruleVersionsDefinition, ruleVersionsPath } from '../ops/rule-versions.ts'
import { opsDirectory } from '../ops/tables.ts'
import type { NewRow } from './change-versions.ts'
import { type ApprovalPolicy, type Versions, versionsOf } from './rule-version.ts'
import { linkOf, sealOf } from './seal.ts'
import type { VersionRow } from './version-row.ts'

const news = 'new_rule_versions'
const attemptsMax = 20
const memoryMaxBytes = 64 * 2 ** 20

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
  const limits = { memory_limit: `${memoryMaxBytes}B`, threads: '1' }
  const instance = await DuckDBInstance.create(':memory:', limits)
  let connection: DuckDBConnection | null = null
  try {
    connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'")
    return await work(new VersionLog(options, connection))
  } finally {
    connection?.closeSync()
    instance.closeSync()
  }
}

/** The version of the Delta table; null where nobody has written it. */
export async function versionLogVersion(deltaBasePath: string): Promise<bigint | null> {
  const directory = opsDirectory(deltaBasePath, ruleVersionsPath)
  if (!(await DeltaTable.exists(directory))) return null
  return (await (await DeltaTable.open(directory)).snapshot()).version
}

export class VersionLog {
  readonly #options: VersionLogOptions
  readonly #connection: DuckDBConnection
  readonly #table: SequencedTable
  #rows: VersionRow[] = []

  constructor(options: VersionLogOptions, connection: DuckDBConnection) {
    this.#options = options
    this.#connection = connection
    const of = { path: ruleVersionsPath, definition: ruleVersionsDefinition, appId: ruleVersionsAppId }
    const { deltaBasePath } = options
    this.#table = new SequencedTable({ deltaBasePath, ...of, connection, news, operation: 'RULES' })
  }

  get rows(): readonly VersionRow[] {
    return this.#rows
  }

  async read(): Promise<Versions> {
    const kind = await this.#table.refresh()
    if (kind !== 'same') {
      const added = await rowsOf(
        this.#connection,
        `SELECT * EXCLUDE ("at"), epoch_us("at") AS at_micros FROM ${news} ORDER BY sequence`,
      )
      this.#rows = [...(kind === 'anew' ? [] : this.#rows), ...added.map(rowFrom)]
    }
    return versionsOf(this.#rows, this.#options.policy)
  }

  /** Writes what `decide` makes of the versions as they are; none where it gives no rows. */
  async change(decide: (versions: Versions) => readonly NewRow[]): Promise<Versions> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const versions = await this.read()
      const rows = this.#numbered(versions, decide(versions))
      if (rows.length === 0) return versions
      if (await this.#append(rows)) {
        await this.#table.upkeep(null)
        await this.#table.settled()
        return await this.read()
      }
    }
    throw new LakehouseError(
      'RULES_VERSION_REFUSED',
      `${ruleVersionsPath} was written by others ${attemptsMax} times in between: try again.`,
    )
  }

  #numbered({ link }: Versions, rows: readonly NewRow[]): VersionRow[] {
    const { policy, clock } = this.#options
    const atMicros = clock()
    let before = link
    return rows.map((row, index) => {
      const numbered = { ...row, sequence: this.#table.sequence + 1n + BigInt(index), atMicros }
      before = linkOf(before, numbered)
      return { ...numbered, seal: policy.kind === 'none' ? null : sealOf(policy.key, before) }
    })
  }

  async #append(rows: readonly VersionRow[]): Promise<boolean> {
    const parameters: Record<string, string | null> = {}
    const selects = rows.map((row, index) => {
      const { sequence, version, atMicros } = row
      const texts = ['event', 'hash', 'text', 'user', 'role', 'reason', 'origin', 'seal'] as const
      const cells = texts.map((name) => {
        parameters[`${name}_${index}`] = row[name]
        return `$${name}_${index}::VARCHAR AS "${name}"`
      })
      return `SELECT ${sequence}::BIGINT AS sequence, ${version}::INTEGER AS version,
        make_timestamptz(${atMicros}::BIGINT) AS "at", ${cells.join(', ')}`
    })
    const all = selects.join('\nUNION ALL\n')
    const names = ruleVersionsDefinition.fields.map(({ name }) => `"${name}"`).join(', ')
    return await this.#table.append(`SELECT ${names} FROM (${all})`, parameters, BigInt(rows.length))
  }
}

function rowFrom(row: Readonly<Record<string, unknown>>): VersionRow {
  const textOf = (name: string): string | null => (row[name] == null ? null : String(row[name]))
  return {
    sequence: BigInt(String(row.sequence)),
    event: textOf('event') as VersionRow['event'], // As `versionEvents` has them; others are told as unknown.
    version: Number(row.version),
    hash: textOf('hash'),
    text: textOf('text'),
    user: textOf('user') ?? '',
    role: textOf('role'),
    atMicros: BigInt(String(row.at_micros ?? 0)),
    reason: textOf('reason'),
    origin: (textOf('origin') ?? 'command line') as VersionRow['origin'],
    seal: textOf('seal'),
  }
}
