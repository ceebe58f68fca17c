// A sample of real records: which values stand where. It is for advice only; what decides rows is the plan.
import { isJsonName, type JsonPath } from '../plan/index.ts'

/** Where a value stands in records of the sample, and what it is there. */
export type SampledPath = {
  readonly path: JsonPath
  /** Records in which it is there and not null. */
  count: number
  /** The first of its values. Objects are no values: what is in them has paths of its own. */
  readonly values: (string | number | boolean | readonly unknown[])[]
}

export type Sample = {
  /** Records that are one JSON object. */
  readonly records: number
  /** Values that are none. */
  readonly malformed: number
  /** In the order in which they first came. */
  readonly paths: readonly SampledPath[]
  /** Names that no path can say; what is in them is in no path. */
  readonly unreadable: readonly string[]
}

const levelsMax = 8
const pathsMax = 2_000
const valuesMax = 500

export function sampleOf(values: readonly (Uint8Array | null)[]): Sample {
  const paths = new Map<string, SampledPath>()
  const unreadable = new Set<string>()
  let records = 0
  for (const value of values) {
    const record = value === null ? null : objectFrom(value)
    if (record === null) continue
    records++
    for (const [path, found] of leavesOf(record, [], unreadable)) take(paths, path, found)
  }
  return {
    records,
    malformed: values.length - records,
    paths: [...paths.values()],
    unreadable: [...unreadable],
  }
}

function objectFrom(value: Uint8Array): object | null {
  try {
    const parsed: unknown = JSON.parse(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value),
    )
    return isObject(parsed) ? parsed : null
  } catch {
    return null // No JSON: it counts as malformed.
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function* leavesOf(
  record: object,
  before: readonly string[],
  unreadable: Set<string>,
): Generator<readonly [JsonPath, unknown]> {
  for (const [name, value] of Object.entries(record)) {
    if (!isJsonName(name)) {
      if (unreadable.size < pathsMax) unreadable.add(name)
    } else if (isObject(value)) {
      if (before.length + 1 < levelsMax) yield* leavesOf(value, [...before, name], unreadable)
    } else if (value !== null) yield [[...before, name] as unknown as JsonPath, value]
  }
}

function take(paths: Map<string, SampledPath>, path: JsonPath, value: unknown): void {
  const key = JSON.stringify(path)
  const known = paths.get(key)
  if (known === undefined && paths.size >= pathsMax) return
  const sampled = known ?? { path, count: 0, values: [] }
  paths.set(key, sampled)
  sampled.count++
  // A leaf of JSON is one of these.
  if (sampled.values.length < valuesMax) sampled.values.push(value as SampledPath['values'][number])
}

/** A path as a person writes it in a config. */
export function writtenPath(path: JsonPath): string | readonly string[] {
  return path.some((name) => name.includes('.')) ? path : path.join('.')
}
