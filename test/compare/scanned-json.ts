// The scanner of JSON beside naive readings of the same bytes.
import { sliceNumber } from '../../src/json/decimal.ts'
import { JsonScanner } from '../../src/json/scanner.ts'
import { type JsonSlice, jsonKind, sliceSource, sliceText } from '../../src/json/slice.ts'
import { type JsonValue, parseStrictJson, valueAt } from '../../src/verify/strict-json.ts'
import { type NaiveValue, naiveFields } from './naive-json.ts'

export const nestedPaths = [
  ...[['a'], ['b'], ['é'], ['😀'], [''], ['"'], ['customer'], ['long'.repeat(40)]],
  ...[
    ['customer', 'id'],
    ['customer', 'a'],
    ['customer', 'c', 'a'],
    ['a', 'é'],
  ],
]
const flatPaths = [['id'], ['a'], ['customer']]
const kindNames = Object.keys(jsonKind)

/** Compares what is found in one document after another by the same scanner. */
export class ScannerCheck {
  readonly #nested = new JsonScanner(nestedPaths)
  readonly #flat = new JsonScanner(flatPaths)
  wellFormedCount = 0
  malformedCount = 0

  /** What differs, null where nothing does. */
  difference(bytes: Uint8Array): string | null {
    const expected = naiveFields(bytes, nestedPaths)
    if (expected === null) this.malformedCount++
    else this.wellFormedCount++
    // What stands around the document is not looked at, whether it would go on or end it.
    for (const around of ['', '"', '9}', '}']) {
      const whole = Buffer.concat([Buffer.from(around), bytes, Buffer.from(around)])
      const view = whole.subarray(around.length, around.length + bytes.length)
      const found =
        this.#judge(this.#nested.scan(view), this.#nested, expected) ??
        this.#judge(
          this.#nested.scan(whole, around.length, around.length + bytes.length),
          this.#nested,
          expected,
        )
      if (found !== null) return `around it ${JSON.stringify(around)}: ${found}`
    }
    const fresh = new JsonScanner(nestedPaths)
    // Of a buffer that ends with the document.
    const alone = this.#judge(fresh.scan(Uint8Array.from(bytes)), fresh, expected)
    if (alone !== null) return `by a new scanner: ${alone}`
    const flat = this.#flat.scan(bytes)
    const read = parseStrictJson(bytes)
    const strict = read.kind === 'object'
    if (strict) {
      const values = nestedPaths.map((path) => valueAt(read.members, path))
      const kinds = values.includes('malformed') ? null : values.map((value) => kindOfStrict(value))
      const wanted = expected?.map(kindOfText) ?? null
      if (String(kinds) !== String(wanted)) return `by the other reader ${kinds}, not ${wanted}`
    }
    return flat === strict ? null : `without nested fields: taken ${flat}, by the other reader ${strict}`
  }

  #judge(
    taken: boolean,
    scanner: JsonScanner,
    expected: readonly (NaiveValue | null)[] | null,
  ): string | null {
    if (taken !== (expected !== null)) return `taken: ${taken}`
    for (const [index, slice] of scanner.fields.entries()) {
      const difference = this.#differenceOf(slice, expected?.[index] ?? null)
      if (difference !== null) return `${nestedPaths[index]}: ${difference}`
    }
    return null
  }

  #differenceOf(slice: JsonSlice, expected: NaiveValue | null): string | null {
    const kind = kindNames[slice.kind]
    if (kind !== kindOfText(expected)) return `is ${kind}, not ${kindOfText(expected)}`
    if (expected === null) return null
    if (kind === 'string') {
      const text = JSON.parse(expected.text)
      const got = sliceText(slice)
      return got === text ? null : `says ${got}, not ${text}`
    }
    if (kind === 'number') {
      const number = JSON.parse(expected.text)
      return Object.is(sliceNumber(slice), number) ? null : `is ${sliceNumber(slice)}, not ${number}`
    }
    const text = sliceSource(slice)
    return text === expected.text ? null : `stands as ${text}, not as ${expected.text}`
  }
}

function kindOfStrict(value: JsonValue | undefined | 'malformed'): string {
  if (value === undefined || value === 'malformed') return 'absent'
  return value.kind === 'boolean' ? String(value.value) : value.kind
}

function kindOfText(value: NaiveValue | null): string {
  if (value === null) return 'absent'
  const parsed: unknown = JSON.parse(value.text)
  if (Array.isArray(parsed)) return 'array'
  return parsed === null || typeof parsed === 'boolean' ? String(parsed) : typeof parsed
}
