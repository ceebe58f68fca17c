// Bodies of requests for decisions: transactions as they are on the topic, their bytes untouched.
import type { RecordChunk } from '../batches/source.ts'
import { counted } from '../errors/counted.ts'
import { jsonValueAt } from '../json/json-value-at.ts'
import type { Lakehouse } from '../plan/index.ts'

export const requestedMax = 1_000

export type RequestedRecord = { readonly key: Uint8Array | null; readonly value: Uint8Array }

export type ReadBody =
  | { readonly kind: 'records'; readonly records: readonly RequestedRecord[]; readonly isList: boolean }
  | { readonly kind: 'mistake'; readonly message: string }

/** One JSON object, or a list of such. */
export function recordsOfBody(bytes: Uint8Array, { names }: Pick<Lakehouse, 'names'>): ReadBody {
  const mistake = (message: string): ReadBody => ({ kind: 'mistake', message })
  let text: string
  let parsed: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    parsed = JSON.parse(text)
  } catch (error) {
    return mistake(`the body is no JSON in UTF-8: ${error instanceof Error ? error.message : String(error)}`)
  }
  const isList = Array.isArray(parsed)
  const all: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed]
  if (all.length === 0) return mistake('the list has no transaction')
  if (all.length > requestedMax)
    return mistake(`the list has ${counted(all.length, 'transaction')}; at most ${requestedMax} are taken`)
  const odd = all.findIndex((one) => typeof one !== 'object' || one === null || Array.isArray(one))
  if (odd >= 0) return mistake(isList ? `element ${odd} of the list is no object` : 'the body is no object')
  const texts = isList ? elementTexts(text) : [text]
  const { path } = names.key ?? names.person
  try {
    const records = all.map((one, index) => ({
      key: keyOf(one, path, texts[index]!),
      value: Buffer.from(texts[index]!),
    }))
    return { kind: 'records', isList, records }
  } catch (error) {
    if (error instanceof RangeError) return mistake('it is nested too deeply')
    throw error
  }
}

/** As the records of the topic have it: the value as text. */
function keyOf(parsed: unknown, path: readonly string[], text: string): Uint8Array | null {
  let found = jsonValueAt(parsed, path)
  // A number that a double does not hold is what stands in the text.
  if (typeof found === 'number' && !Number.isSafeInteger(found))
    found = jsonValueAt(JSON.parse(text, numberAsText), path)
  const isKey = typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean'
  return isKey ? Buffer.from(String(found)) : null
}

function numberAsText(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? context?.source : value
}

/** The texts of the elements of a list, which is JSON. */
function elementTexts(list: string): string[] {
  const texts: string[] = []
  let [depth, start, isInText] = [0, list.indexOf('[') + 1, false]
  for (let at = start; at < list.length; at++) {
    const character = list[at]!
    if (isInText) {
      if (character === '\\') at++
      else if (character === '"') isInText = false
    } else if (character === '"') {
      isInText = true
    } else if (character === '{' || character === '[') {
      depth++
    } else if (depth > 0 && (character === '}' || character === ']')) {
      depth--
    } else if (depth === 0 && (character === ',' || character === ']')) {
      texts.push(list.slice(start, at).trim())
      start = at + 1
    }
  }
  return texts
}

/** The records as a chunk of a topic that does not have them. */
export function chunkOf(topic: string, records: readonly RequestedRecord[]): RecordChunk {
  return {
    ...{ topic, partition: 0, count: records.length, timestampsMs: null },
    offsets: BigInt64Array.from(records, (_, index) => BigInt(index)),
    keys: records.map(({ key }) => key),
    values: records.map(({ value }) => value),
    headers: records.map(() => null),
  }
}
