// How often each field of a mapping is there in a sample of records, and what is there in its place.
import type { JsonPath } from '../plan/index.ts'
import { nearestPaths } from './field-names.ts'
import { isPlaceApart, type Mapping, type Source } from './mapping.ts'
import { isReadable } from './readable.ts'
import type { Sample } from './sample.ts'

export type FoundField = {
  /** As it is called in fields or extra; city and country are `location.city` and `location.country`. */
  readonly field: string
  readonly path: JsonPath
  /** How the mapping reads it. */
  readonly as: string
  /** Records in which the path has a value, and of the sampled values the share that can be read so. */
  readonly found: number
  readonly readableShare: number
  /** Where it is not in all records or cannot be read: names that may be meant, the likeliest first. */
  readonly instead: readonly JsonPath[]
}

const namesMax = 3

/** For every field of the mapping, in its order; fields that it leaves out are not told of. */
export function fieldsFound(sample: Sample, mapping: Mapping): readonly FoundField[] {
  const sources = sourcesOf(mapping)
  const taken = new Set(sources.map(([, { path }]) => JSON.stringify(path)))
  const free = sample.paths.map(({ path }) => path).filter((path) => !taken.has(JSON.stringify(path)))
  return sources.map(([field, { path, as }]) => {
    const key = JSON.stringify(path)
    const sampled = sample.paths.find((one) => JSON.stringify(one.path) === key)
    const values = sampled?.values ?? []
    const readable = values.filter((value) => isReadable(value, as)).length
    const readableShare = values.length === 0 ? 0 : readable / values.length
    const found = sampled?.count ?? 0
    const isWell = found === sample.records && readableShare === 1
    const name = field.split('.').at(-1)!
    return {
      field,
      path,
      as,
      found,
      readableShare,
      instead: isWell ? [] : nearestPaths(name, path, free, namesMax),
    }
  })
}

function sourcesOf({ extra, location, ...fields }: Mapping): readonly (readonly [string, Source])[] {
  const { device_id: device, ...others } = fields
  const places = isPlaceApart(location)
    ? { 'location.city': location.city, 'location.country': location.country }
    : { location }
  const all: Readonly<Record<string, Source | null>> = { ...others, ...places, device_id: device, ...extra }
  return Object.entries(all).flatMap(([name, source]) => (source === null ? [] : [[name, source] as const]))
}
