// A schema registry with Confluent's API: schemas by their id or GUID, with all that they use, and what a
// producer registers. While it is away it is waited for, and that is said.
import { setTimeout as sleep } from 'node:timers/promises'
import type { OnNotice } from '../batches/notice.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type SchemaText, type SchemaType, schemaTypes } from '../formats/known-schemas.ts'
import type { SchemaKey } from '../formats/wire-format.ts'
import {
  type RegistryAnswer,
  type RegistryConnection,
  RegistryRequests,
  registryRefused,
} from './requests.ts'

export type RegistryOptions = {
  readonly connection: RegistryConnection
  readonly onNotice?: OnNotice
  /** How long it may be away; for ever, where nothing is said. */
  readonly giveUpAfterMs?: number
}

/** A subject's newest version. */
export type RegisteredSchema = SchemaText & { readonly id: number; readonly version: number }

type Reference = { readonly name: string; readonly subject: string; readonly version: number }

const backoffMsMin = 100
const backoffMsMax = 5_000
const noticeEveryMs = 5 * 60_000
const referencesMax = 256
const referencedBytesMax = 16 * 1024 * 1024

export class SchemaRegistry {
  readonly #requests: RegistryRequests
  readonly #onNotice: OnNotice
  readonly #giveUpAfterMs: number

  constructor({ connection, onNotice = () => undefined, giveUpAfterMs }: RegistryOptions) {
    this.#requests = new RegistryRequests(connection)
    this.#onNotice = onNotice
    this.#giveUpAfterMs = giveUpAfterMs ?? Number.POSITIVE_INFINITY
  }

  get where(): string {
    return this.#requests.where
  }

  close(): void {
    this.#requests.close()
  }

  /** null where the registry does not know it. */
  async schema(key: SchemaKey, signal: AbortSignal): Promise<SchemaText | null> {
    const path = /^[0-9]+$/.test(key) ? `/schemas/ids/${key}` : `/schemas/guids/${key}`
    const body = await this.#found(path, signal)
    return body === null ? null : await this.#textOf(body, signal)
  }

  /** null where the subject has none. */
  async latest(subject: string, signal: AbortSignal): Promise<RegisteredSchema | null> {
    const body = await this.#found(`/subjects/${encodeURIComponent(subject)}/versions/latest`, signal)
    if (body === null) return null
    const { id, version } = body as { id?: unknown; version?: unknown } // As a registry answers.
    return { ...(await this.#textOf(body, signal)), id: Number(id), version: Number(version) }
  }

  /** The id that it has, now or since before. */
  async register(
    subject: string,
    { type, schema }: Omit<SchemaText, 'references'>,
    signal: AbortSignal,
  ): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    const body = { schema, ...(type === 'AVRO' ? {} : { schemaType: type }) }
    const answer = await this.#outlast(() => this.#requests.post(path, body, signal), signal)
    const { id } = ((answer.kind === 'found' ? answer.body : null) ?? {}) as { id?: unknown }
    if (Number.isInteger(id)) return Number(id)
    throw this.#refused(answer, `does not take a schema of the subject ${subject}`)
  }

  async #found(path: string, signal: AbortSignal): Promise<unknown> {
    const answer = await this.#outlast(() => this.#requests.get(path, signal), signal)
    if (answer.kind === 'missing') return null
    if (answer.kind === 'found') return answer.body ?? {}
    throw this.#refused(answer, `does not answer ${path}`)
  }

  #refused(answer: RegistryAnswer, what: string): LakehouseError {
    if (answer.kind !== 'refused') return registryRefused(this.where, `${what}: it is no schema registry`)
    const { status, message } = answer
    if (status === 401 || status === 403) {
      const why = `it refuses the login (status ${status}): check SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD, or SCHEMA_REGISTRY_TOKEN`
      return registryRefused(this.where, why)
    }
    const hint = status === 404 ? '; check the path of SCHEMA_REGISTRY_URL' : ''
    return registryRefused(this.where, `it ${what}: status ${status}, ${message}${hint}`)
  }

  async #textOf(body: unknown, signal: AbortSignal): Promise<SchemaText> {
    // As a registry answers.
    const { schema, schemaType } = body as { schema?: unknown; schemaType?: unknown }
    const type = schemaType ?? typeOf(schema)
    if (typeof schema !== 'string' || !schemaTypes.some((one) => one === type)) {
      // It is one that nobody here can read, which is said of its values.
      return { type: 'AVRO', schema: '', references: [] }
    }
    const references = new Map<string, string>()
    await this.#collect(referencesOf(body), references, signal)
    return { type: type as SchemaType, schema, references: [...references.values()] }
  }

  /** All that is referred to, each once, what it refers to itself before it. */
  async #collect(list: readonly Reference[], into: Map<string, string>, signal: AbortSignal): Promise<void> {
    for (const { subject, version } of list) {
      const key = `${subject} ${version}`
      const length = [...into.values()].reduce((sum, text) => sum + text.length, 0)
      if (into.has(key) || into.size >= referencesMax || length > referencedBytesMax) continue
      const body = await this.#found(`/subjects/${encodeURIComponent(subject)}/versions/${version}`, signal)
      if (body === null) continue // Its absence is told of the values.
      into.set(key, '')
      await this.#collect(referencesOf(body), into, signal)
      into.delete(key)
      into.set(key, String((body as { schema?: unknown }).schema ?? ''))
    }
  }

  /** Waits while the registry is away. */
  async #outlast<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const startMs = performance.now()
    let noticedMs: number | null = null
    for (let failures = 1; ; failures++) {
      signal.throwIfAborted()
      try {
        const result = await attempt()
        if (noticedMs !== null) {
          const outageMs = Math.round(performance.now() - startMs)
          const message = `The schema registry at ${this.where} answers again after ${outageMs} ms.`
          this.#onNotice({ code: 'SCHEMA_REGISTRY_BACK', message, details: { outageMs } })
        }
        return result
      } catch (error) {
        const isAway = error instanceof LakehouseError && error.code === 'SCHEMA_REGISTRY_UNREACHABLE'
        if (!isAway) throw error
        const outageMs = Math.round(performance.now() - startMs)
        if (outageMs >= this.#giveUpAfterMs) {
          throw new LakehouseError(error.code, error.message, {
            cause: error,
            details: { waitedMs: outageMs },
          })
        }
        if (noticedMs === null || performance.now() - noticedMs >= noticeEveryMs) {
          noticedMs = performance.now()
          this.#onNotice({
            code: error.code,
            message: `${error.message} Assay waits for it.`,
            details: { outageMs },
          })
        }
        const waitMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(failures - 1, 10))
        await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    }
  }
}

/** Where none is said it is Avro; a registry may leave out another too, where two subjects share the text. */
function typeOf(schema: unknown): SchemaType {
  const isAvro = /^\s*[{["]|^[a-z]+$/.test(String(schema))
  return isAvro ? 'AVRO' : 'PROTOBUF'
}

function referencesOf(body: unknown): readonly Reference[] {
  const { references } = body as { references?: unknown } // As a registry answers.
  if (!Array.isArray(references)) return []
  return (references as Partial<Reference>[]).flatMap(({ name, subject, version }) => {
    const isRight = typeof name === 'string' && typeof subject === 'string' && Number.isInteger(version)
    return isRight ? [{ name, subject, version: Number(version) }] : []
  })
}
