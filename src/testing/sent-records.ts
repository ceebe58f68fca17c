// The input of a test: a topic of one partition, in memory.
import type { RecordChunk, RecordSource } from '../batches/source.ts'

/** What a record's value is: an object as JSON, a text or bytes as they are, null a tombstone. */
export type TestRecord = object | string | Uint8Array | null

type Sent = { readonly value: Uint8Array | null; readonly atMs: number }

type Waiting = { readonly resolve: () => void; readonly reject: (error: unknown) => void }

export class SentRecords implements RecordSource {
  readonly kind = 'kafka'
  readonly #topic: string
  readonly #sent: Sent[] = []
  #carried = 0
  #failure: { readonly error: unknown } | null = null
  #waiting: Waiting | null = null
  #arrived = Promise.withResolvers<void>()

  /** The first of several topics. */
  constructor(topics: string) {
    this.#topic = topics.split(',')[0]!
  }

  /** Resolves when all tables have them. */
  async send(records: readonly TestRecord[], atMs: number): Promise<void> {
    if (this.#failure !== null) throw this.#failure.error
    if (records.length === 0) return
    this.#sent.push(...records.map((record) => ({ value: bytesOf(record), atMs })))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting = { resolve, reject }
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers()
    await promise
  }

  /** Told when all tables have a batch of so many records. */
  carried(records: number): void {
    this.#carried += records
    if (this.#carried < this.#sent.length) return
    this.#waiting?.resolve()
    this.#waiting = null
  }

  failed(error: unknown): void {
    this.#failure = { error }
    this.#waiting?.reject(error)
    this.#waiting = null
  }

  async cut(next: Parameters<RecordSource['cut']>[0]): ReturnType<RecordSource['cut']> {
    const start = [...next.values()][0]?.offset ?? 0n
    const end = BigInt(this.#sent.length)
    const range = { topic: this.#topic, partition: 0, start, end }
    return { ranges: start < end ? [range] : [], more: false, waiting: [] }
  }

  async read(...[ranges, onChunk]: Parameters<RecordSource['read']>): Promise<void> {
    for (const { start, end } of ranges) await onChunk(this.#chunk(Number(start), Number(end)))
  }

  #chunk(start: number, end: number): RecordChunk {
    const records = this.#sent.slice(start, end)
    return {
      ...{ topic: this.#topic, partition: 0, count: records.length },
      offsets: BigInt64Array.from(records, (_, index) => BigInt(start + index)),
      timestampsMs: BigInt64Array.from(records, ({ atMs }) => BigInt(atMs)),
      keys: records.map(() => null),
      values: records.map(({ value }) => value),
      headers: records.map(() => null),
    }
  }

  async waitForData(...[next, waitMaxMs, signal]: Parameters<RecordSource['waitForData']>): Promise<void> {
    const { ranges } = await this.cut(next)
    if (ranges.length > 0) return
    const over = Promise.withResolvers<void>()
    const end = (): void => over.resolve()
    const timer = setTimeout(end, waitMaxMs)
    signal.addEventListener('abort', end, { once: true })
    await Promise.race([this.#arrived.promise, over.promise])
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }

  async lag(): Promise<bigint> {
    return 0n
  }

  async reportProgress(): Promise<void> {
    // Nobody outside follows it.
  }

  async close(): Promise<void> {
    // It holds nothing.
  }
}

function bytesOf(record: TestRecord): Uint8Array | null {
  if (record === null || record instanceof Uint8Array) return record
  return Buffer.from(typeof record === 'string' ? record : JSON.stringify(record))
}
