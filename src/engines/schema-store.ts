// The schemas of records, in `ops/schemas`. Those that a batch names and nobody has met are asked of the
// registry and recorded before the first commit of the batch: whoever carries it again, on whichever engine,
// reads its values by the same ones. What the registry does not know then stays unknown to that batch.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { readingOf, type SchemaReading, ValueDecoder } from '../formats/known-schemas.ts'
import type { SchemaKey } from '../formats/wire-format.ts'
import {
  type KeptSchema,
  keptSchemaOf,
  registryKey,
  registryKnown,
  schemaColumnsSql,
  schemaRowsSql,
  schemasDefinition,
  schemasPath,
} from '../ops/schemas.ts'
import { openOpsTable, opsDirectory } from '../ops/tables.ts'
import { rowsOf } from './database.ts'
import type { PipelineOptions } from './engine.ts'
import { noticesTo } from './events.ts'

/** Requests that are under way at a time. */
const askedAtOnce = 8
/** A batch asks for no more: a topic has a few schemas, and whoever sends more is no producer. */
const askedPerBatchMax = 2_000
/** What the registry did not know it is asked again by a later batch, but not by each. */
const unknownForMs = 10_000
const unknownMax = 10_000

type Known = { readonly sinceMicros: bigint; readonly reading: SchemaReading }

export type SchemaStoreOptions = Pick<
  PipelineOptions,
  'deltaBasePath' | 'tableProperties' | 'tell' | 'registry'
> & {
  /** What the registry says is remembered and not recorded: by who decides rows of no table. */
  readonly isReadOnly?: boolean
}

export class SchemaStore {
  readonly #options: SchemaStoreOptions
  readonly #connection: DuckDBConnection
  readonly #known = new Map<SchemaKey, Known>()
  readonly #unknownAtMs = new Map<SchemaKey, number>()
  readonly #decoders = new Map<string, ValueDecoder>()
  #isToldOfNone = false

  private constructor(options: SchemaStoreOptions, connection: DuckDBConnection) {
    this.#options = options
    this.#connection = connection
  }

  static async open(options: SchemaStoreOptions, connection: DuckDBConnection): Promise<SchemaStore> {
    const store = new SchemaStore(options, connection)
    const directory = opsDirectory(options.deltaBasePath, schemasPath)
    if (!(await DeltaTable.exists(directory))) return store
    const snapshot = await (await DeltaTable.open(directory)).snapshot()
    const rows = await fetchedScanSql(snapshot, directory, { naiveTimestamps: true })
    for (const row of await rowsOf(connection, schemaColumnsSql(rows))) await store.#keep(keptSchemaOf(row))
    return store
  }

  /** False where no value can be read, and none was ever. */
  get mayKnow(): boolean {
    return this.#known.size > 0 || (this.#options.registry ?? null) !== null
  }

  /** Has what the batch of that time knows of these schemas recorded. */
  async prepare(keys: Iterable<SchemaKey>, timeMicros: bigint, signal: AbortSignal): Promise<void> {
    const missing = [...keys].filter((key) => !this.#isKnown(key, timeMicros))
    if (missing.length === 0) return
    const { registry = null } = this.#options
    if (registry === null) {
      this.#tellOfNone(missing[0]!)
      return
    }
    const now = performance.now()
    const asked = missing
      .filter((key) => now - (this.#unknownAtMs.get(key) ?? Number.NEGATIVE_INFINITY) > unknownForMs)
      .slice(0, askedPerBatchMax)
    // What it does not know is schema_unknown, and not merely malformed: also to the proof.
    const found: KeptSchema[] = this.#isKnown(registryKey, timeMicros) ? [] : [registryKnown(timeMicros)]
    for (let from = 0; from < asked.length; from += askedAtOnce) {
      const some = asked.slice(from, from + askedAtOnce)
      const texts = await Promise.all(some.map((key) => registry.schema(key, signal)))
      for (const [index, text] of texts.entries()) {
        const key = some[index]!
        if (text === null) this.#noteUnknown(key)
        else found.push({ key, ...text, knownSinceMicros: timeMicros })
      }
    }
    if (found.length === 0) return
    if (this.#options.isReadOnly !== true) await this.#record(found)
    for (const one of found) await this.#keep(one)
    this.#decoders.clear()
  }

  /** Reads values as the batch of that time does. */
  decoderAt(timeMicros: bigint): ValueDecoder {
    const known = [...this.#known].filter(([, { sinceMicros }]) => sinceMicros <= timeMicros)
    const key = known.map(([name]) => name).join(' ')
    const decoder =
      this.#decoders.get(key) ??
      new ValueDecoder(new Map(known.map(([name, { reading }]) => [name, reading])))
    this.#decoders.set(key, decoder)
    return decoder
  }

  #isKnown(key: SchemaKey, timeMicros: bigint): boolean {
    const known = this.#known.get(key)
    return known !== undefined && known.sinceMicros <= timeMicros
  }

  async #keep({ key, knownSinceMicros: sinceMicros, ...text }: KeptSchema): Promise<void> {
    const known = this.#known.get(key)
    // Of two rows the earlier one counts: a batch that was given up left the other, or a clock went back.
    if (known !== undefined && known.sinceMicros <= sinceMicros) return
    this.#known.set(key, { sinceMicros, reading: known?.reading ?? (await readingOf(text)) })
    const { reading } = this.#known.get(key)!
    if (reading.kind !== 'unreadable') return
    noticesTo(this.#options.tell)({
      code: 'SCHEMA_UNREADABLE',
      message: `The schema ${key} cannot be read: ${reading.reason}. Its records go to quarantine as undecodable.`,
      details: { schema: key },
    })
  }

  async #record(schemas: readonly KeptSchema[]): Promise<void> {
    const { deltaBasePath, tableProperties } = this.#options
    const table = await openOpsTable(deltaBasePath, schemasPath, {
      ...schemasDefinition,
      properties: tableProperties,
    })
    await table.commit(await table.stage(this.#connection, schemaRowsSql(schemas)))
  }

  #noteUnknown(key: SchemaKey): void {
    const isNew = !this.#unknownAtMs.has(key)
    if (this.#unknownAtMs.size >= unknownMax) this.#unknownAtMs.clear()
    this.#unknownAtMs.set(key, performance.now())
    if (!isNew || this.#unknownAtMs.size > 10) return // A few of them tell of all.
    noticesTo(this.#options.tell)({
      code: 'SCHEMA_UNKNOWN',
      message:
        `Records name the schema ${key}, which the registry at ${this.#options.registry?.where} does not have: ` +
        'they go to quarantine as schema_unknown.',
      details: { schema: key },
    })
  }

  #tellOfNone(key: SchemaKey): void {
    if (this.#isToldOfNone) return
    this.#isToldOfNone = true
    noticesTo(this.#options.tell)({
      code: 'SCHEMA_REGISTRY_UNSET',
      message:
        `Records name the schema ${key}, and no registry is set: they go to quarantine as malformed. ` +
        'Set SCHEMA_REGISTRY_URL.',
      details: { schema: key },
    })
  }
}
