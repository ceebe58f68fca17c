// Rows on stdout: an aligned table for people, NDJSON and CSV for programs.

import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { type DuckDBResult, type DuckDBType, DuckDBTypeId, type DuckDBValue } from '@duckdb/node-api'
import { counted } from '../errors/counted.ts'
import { cellText, jsonObject } from './cell.ts'
import { printableLine } from './printable.ts'
import { cutToWidth, displayWidth, fitLeft, fitRight } from './terminal-text.ts'

/** Where rows go: stdout; `columns` is the width of the terminal where it is one. */
export type Output = Writable & { readonly columns?: number }

const rowsShownMax = 1000
const cellLengthMax = 2000
const columnWidthMin = 4

/**
 * One JSON object a line, in the order of the columns. A name that occurs twice gets a number: name, name_2.
 */
export async function writeNdjson(result: DuckDBResult, output: Output): Promise<void> {
  const names = uniqueNames(result.columnNames())
  await eachChunk(result, output, (rows) =>
    rows.map((row) => `${jsonObject(names.map((name, index) => [name, row[index]!]))}\n`),
  )
}

/** CSV as RFC 4180 has it, with a header. null is an empty field, the empty text is "". */
export async function writeCsv(result: DuckDBResult, output: Output): Promise<void> {
  const line = (cells: readonly string[]) => `${cells.join(',')}\r\n`
  output.write(line(result.columnNames().map(csvField)))
  await eachChunk(result, output, (rows) =>
    rows.map((row) => line(row.map((value) => (value === null ? '' : csvField(cellText(value)))))),
  )
}

/** An aligned table of at most `rowsShownMax` rows, not wider than the terminal. */
export async function writeTable(result: DuckDBResult, output: Output): Promise<void> {
  const rows: DuckDBValue[][] = []
  for await (const chunk of result.yieldRows()) {
    rows.push(...chunk)
    if (rows.length > rowsShownMax) break
  }
  const shown = rows.slice(0, rowsShownMax)
  const cells = shown.map((row) => row.map((value) => (value === null ? '' : cellText(value))))
  const isRight = result.columnTypes().map(isNumeric)
  output.write(tableText(result.columnNames(), cells, { widthMax: output.columns ?? Infinity, isRight }))
  const count = counted(shown.length, 'row')
  const more = rows.length > rowsShownMax ? 'the first ' : ''
  output.write(`(${more}${count}${more ? '; --json and --csv give all' : ''})\n`)
}

/** Columns aligned by the width that a terminal shows; the widest give way where the table is too wide. */
export function tableText(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  { widthMax = Infinity, isRight = [] }: { widthMax?: number; isRight?: readonly boolean[] } = {},
): string {
  const lines = [names, ...rows].map((row) => row.map((cell) => printableLine(cell.slice(0, cellLengthMax))))
  const widths = names.map((_, column) => Math.max(1, ...lines.map((line) => displayWidth(line[column]!))))
  shrink(widths, widthMax - 2 * (names.length - 1))
  const text = (line: readonly string[]) => {
    const cells = line.map((cell, column) => (isRight[column] ? fitRight : fitLeft)(cell, widths[column]!))
    return `${cutToWidth(cells.join('  '), widthMax).trimEnd()}\n`
  }
  const rule = `${cutToWidth(widths.map((width) => '─'.repeat(width)).join('  '), widthMax)}\n`
  const [header, ...body] = lines
  return [text(header!), rule, ...body.map(text)].join('')
}

/** Takes columns from the widest until all fit, or none can give more. */
function shrink(widths: number[], widthMax: number): void {
  let over = widths.reduce((sum, width) => sum + width, 0) - widthMax
  while (over > 0) {
    const widest = Math.max(...widths)
    if (widest <= columnWidthMin) return
    widths[widths.indexOf(widest)] = widest - 1
    over--
  }
}

function isNumeric(type: DuckDBType): boolean {
  return numericTypes.has(type.typeId)
}

const numericTypes: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UHUGEINT,
  DuckDBTypeId.FLOAT,
  DuckDBTypeId.DOUBLE,
  DuckDBTypeId.DECIMAL,
])

function csvField(text: string): string {
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>()
  return names.map((name) => {
    let unique = name
    for (let count = 2; taken.has(unique); count++) unique = `${name}_${count}`
    taken.add(unique)
    return unique
  })
}

/** Writes chunk by chunk and waits for a slow reader, so that a result of any size takes little memory. */
async function eachChunk(
  result: DuckDBResult,
  output: Output,
  lines: (rows: DuckDBValue[][]) => readonly string[],
): Promise<void> {
  for await (const rows of result.yieldRows()) {
    if (!output.write(lines(rows).join(''))) await once(output, 'drain')
  }
}
