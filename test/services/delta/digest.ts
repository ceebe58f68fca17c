// What two readers of a table must agree on, column by column, small enough to compare: sums and checksums.
import { crc32 } from 'node:zlib'
import type { Cell, Row } from '../../oracle/rows.ts'

/** For each column Spark's type and its figure. */
export type Digest = Readonly<Record<string, readonly [type: string, figure: unknown]>>

/** Defines `digest(path)` in a Python with the helpers of spark.ts. */
export const digestCode = `
def figure(name, kind):
    c = F.col("\`" + name + "\`")
    if kind in ("int", "bigint") or kind.startswith("decimal"):
        return F.sum(c.cast("decimal(38,2)")).cast("string")
    if kind == "timestamp":
        return F.sum(F.unix_micros(c).cast("decimal(38,0)")).cast("string")
    if kind == "double":
        return F.array(F.count(c).cast("double"), F.min(c), F.max(c))
    if kind == "boolean":
        return F.sum(c.cast("int"))
    if kind == "array<string>":
        return F.sum(F.crc32(F.encode(F.concat_ws(",", c), "UTF-8")))
    if kind in ("string", "date"):
        return F.sum(F.crc32(F.encode(c.cast("string"), "UTF-8")))
    return F.sum(F.crc32(c)) if kind == "binary" else F.sum(F.size(c))

def digest(path):
    frame = spark.read.format("delta").load(path)
    kinds = [(field.name, field.dataType.simpleString()) for field in frame.schema.fields]
    found = frame.agg(*[figure(name, kind).alias(name) for name, kind in kinds]).collect()[0]
    return {name: [kind, found[name]] for name, kind in kinds}
`

/** The same of rows, with the types that Spark found. */
export function digestOf(rows: readonly Row[], found: Digest): Digest {
  return Object.fromEntries(
    Object.entries(found).map(([name, [type]]) => {
      const cells = rows.map((row) => row[name] ?? null).filter((cell) => cell !== null)
      return [name, [type, figure(cells, type)]]
    }),
  )
}

function figure(cells: readonly Exclude<Cell, null>[], type: string): unknown {
  if (type === 'double') {
    const numbers = cells.map(Number)
    const [least, greatest] = [Math.min(...numbers), Math.max(...numbers)]
    return numbers.length === 0 ? [0, null, null] : [numbers.length, least, greatest]
  }
  if (type === 'array<string>') return sum(cells.map((cell) => crc32((cell as string[]).join(','))))
  if (cells.length === 0) return null
  if (type === 'timestamp')
    return String(cells.map((cell) => BigInt(String(cell))).reduce((total, micros) => total + micros, 0n))
  if (type === 'boolean') return sum(cells.map(Number))
  if (type === 'string' || type === 'date') return sum(cells.map((cell) => crc32(String(cell))))
  if (type === 'binary') return sum(cells.map((cell) => crc32(Buffer.from(String(cell), 'base64'))))
  if (type.startsWith('array')) return sum(cells.map((cell) => (cell as Cell[]).length))
  return decimalSum(cells.map(String))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** With two decimals, as Spark prints a decimal(38,2). */
function decimalSum(texts: readonly string[]): string {
  const cents = texts.reduce((total, text) => {
    const [whole, part = ''] = text.split('.')
    return total + BigInt(`${whole}${part.padEnd(2, '0')}`)
  }, 0n)
  const digits = String(cents < 0n ? -cents : cents).padStart(3, '0')
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}
