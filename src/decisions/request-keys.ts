// Idempotency keys of requests: one that is repeated under its key gets the decisions of the first. A key
// stands in the headers of its records and of their decisions, so that the topic of decisions tells which
// keys were there.
import { createHash } from 'node:crypto'
import type { RecordHeader } from '../batches/source.ts'
import type { Decision } from './decision-answer.ts'
import { type RequestedRecord, requestedMax } from './decision-requests.ts'

/** The header of a record by which its decision finds the request. */
export const requestHeader = 'assay-request'
/** The header of a record with the key of its request. */
export const keyHeader = 'idempotency-key'
/** The header with its place in the request, how many there are, and what tells this request from others. */
const partHeader = 'idempotency-part'

export const keyLengthMax = 255
/** What a key is made of. */
export const keyPattern = `^[!-~]{1,${keyLengthMax}}$`

/** How long a key is remembered. */
export const keyRememberedMs = 24 * 3_600_000
/** Of keys and their answers; beyond it the oldest are forgotten before their time. */
const keyBytesMax = 128 * 2 ** 20
/** Of a key beside its texts, about: places in maps, objects. */
const keyOverheadBytes = 400
const answerOverheadBytes = 100

/** A request with a key. */
export type KeyedRequest = {
  readonly key: string
  readonly digest: string
  /** Of its records. */
  readonly count: number
}

export type BegunRequest = {
  /** The places of the records that are still to be produced. */
  readonly unsent: readonly number[]
  /** In the order of the records. */
  readonly answer: Promise<readonly Decision[]>
}

type Remembered = Omit<KeyedRequest, 'key'> & {
  readonly sinceMs: number
  /** As JSON, by place in the request; null where there is none yet. */
  readonly answers: (Buffer | null)[]
  missing: number
  /** Whether its records are on their way or in the topic, as far as this process knows. */
  isSent: boolean
  bytes: number
  waiting: PromiseWithResolvers<readonly Decision[]> | null
}

export class RequestKeys {
  /** The oldest first. */
  readonly #remembered = new Map<string, Remembered>()
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number = keyBytesMax) {
    this.#bytesMax = bytesMax
  }

  get count(): number {
    return this.#remembered.size
  }

  /** The first request under its key, or one that repeats it; null where the first was another one. */
  begin(request: KeyedRequest, nowMs: number): BegunRequest | null {
    const of = this.#of(request, nowMs)
    if (of.digest !== request.digest) return null
    const unsent = of.isSent ? [] : of.answers.flatMap((answer, at) => (answer === null ? [at] : []))
    of.isSent = true
    return { unsent, answer: answerOf(of) }
  }

  /** Its records were not produced, or some of them: whoever repeats the request produces them. */
  failed({ key, digest }: KeyedRequest, error: unknown): void {
    const of = this.#remembered.get(key)
    if (of?.digest !== digest) return
    of.isSent = false
    of.waiting?.reject(error)
    of.waiting = null
    if (of.missing === of.answers.length) this.#forget(key, of)
  }

  /** A decision that is on its topic, of a record with these headers. */
  onPublished(headers: readonly RecordHeader[] | null, decided: () => Decision | null, nowMs: number): void {
    const part = keyedPart(headers)
    const decision = part === null ? null : decided()
    if (part === null || decision === null) return
    const of = this.#of(part.request, nowMs)
    if (of.digest !== part.request.digest) return
    const known = of.answers[part.at] ?? null
    if (known !== null && !isEarlier(decision, decisionOf(known))) return
    const answer = Buffer.from(JSON.stringify(decision))
    of.answers[part.at] = answer
    this.#add(of, answer.length - (known?.length ?? -answerOverheadBytes))
    if (known !== null) return
    of.missing--
    if (of.missing > 0) return
    of.waiting?.resolve(of.answers.map((one) => decisionOf(one!)))
    of.waiting = null
  }

  #of({ key, digest, count }: KeyedRequest, nowMs: number): Remembered {
    for (const [oldest, of] of this.#remembered) {
      if (of.sinceMs > nowMs - keyRememberedMs && this.#bytes <= this.#bytesMax) break
      this.#forget(oldest, of)
    }
    const known = this.#remembered.get(key)
    if (known !== undefined && known.sinceMs > nowMs - keyRememberedMs) return known
    if (known !== undefined) this.#forget(key, known)
    const answers = new Array<Buffer | null>(count).fill(null)
    const of: Remembered = {
      ...{ digest, count, answers, sinceMs: nowMs, missing: count, isSent: false },
      ...{ bytes: 0, waiting: null },
    }
    this.#remembered.set(key, of)
    this.#add(of, keyOverheadBytes + key.length + digest.length + 8 * count)
    return of
  }

  #add(of: Remembered, bytes: number): void {
    of.bytes += bytes
    this.#bytes += bytes
  }

  #forget(key: string, { bytes }: Remembered): void {
    this.#remembered.delete(key)
    this.#bytes -= bytes
  }
}

/** What tells a request from others under its key: its records, and whether it is a list. */
export function digestOf(records: readonly RequestedRecord[], isList: boolean): string {
  const hash = createHash('sha256').update(isList ? 'list' : 'one')
  for (const { value } of records) hash.update(`\n${value.length}\n`).update(value)
  return hash.digest('base64url')
}

/** Of the record at a place of the request. */
export function keyHeadersOf(
  { key, digest, count }: KeyedRequest,
  at: number,
): Readonly<Record<string, string>> {
  return { [keyHeader]: key, [partHeader]: `${at}/${count}/${digest}` }
}

/** The headers that a decision has from its record: whoever took the request finds its answer by them. */
export function headersOfDecision(
  headers: readonly RecordHeader[] | null,
): Readonly<Record<string, Uint8Array>> | null {
  if (headers === null) return null
  const part = keyedPart(headers)
  const request = headerText(headers, requestHeader)
  const texts = {
    ...(request === null ? {} : { [requestHeader]: request }),
    ...(part === null ? {} : keyHeadersOf(part.request, part.at)),
  }
  const kept = Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)] as const)
  return kept.length === 0 ? null : Object.fromEntries(kept)
}

/** The key of the request that a record is of; null where that has none. */
export function keyOfRequest(headers: readonly RecordHeader[] | null): string | null {
  return keyedPart(headers)?.request.key ?? null
}

/** The request without a key that a record or its decision is of; null where it is of none. */
export function requestOf(headers: readonly RecordHeader[] | null): string | null {
  return headers === null ? null : headerText(headers, requestHeader)
}

/** null where the record is of no request with a key. */
function keyedPart(
  headers: readonly RecordHeader[] | null,
): { readonly request: KeyedRequest; readonly at: number } | null {
  if (headers === null) return null
  const key = headerText(headers, keyHeader)
  const part = /^(\d{1,4})\/(\d{1,4})\/([\w-]{43})$/.exec(headerText(headers, partHeader) ?? '')
  if (key === null || part === null || !new RegExp(keyPattern).test(key)) return null
  const [at, count] = [Number(part[1]), Number(part[2])]
  return at < count && count <= requestedMax ? { request: { key, count, digest: part[3]! }, at } : null
}

function headerText(headers: readonly RecordHeader[], name: string): string | null {
  const value = headers.findLast(({ key }) => key === name)?.value
  return value == null ? null : Buffer.from(value).toString('latin1')
}

function answerOf(of: Remembered): Promise<readonly Decision[]> {
  if (of.missing === 0) return Promise.resolve(of.answers.map((one) => decisionOf(one!)))
  if (of.waiting === null) {
    of.waiting = Promise.withResolvers()
    of.waiting.promise.catch(() => undefined) // Nobody may be there any more.
  }
  return of.waiting.promise
}

/** Of two records in a partition the first is decided, the other repeats it. */
function isEarlier(a: Decision, b: Decision): boolean {
  return a.topic === b.topic && a.partition === b.partition && BigInt(a.offset) < BigInt(b.offset)
}

function decisionOf(json: Buffer): Decision {
  return JSON.parse(json.toString()) as Decision // As it was written.
}
