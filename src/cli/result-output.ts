// Rows on stdout or into a file: an aligned table for people, NDJSON, CSV and Arrow for programs.

import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { type DuckDBResult, type DuckDBType, DuckDBTypeId, type DuckDBValue } from '@duckdb/node-api'
import { counted } from '../errors/counted.ts'
import { ArrowWriter } from '../query/result-arrow.ts'
import { resultCellText, resultRowJson } from '../query/result-cell.ts'
import { printableLine } from './printable.ts'
import { cutToWidth, displayWidth, fitLeft, fitRight } from './terminal-text.ts'

/** Where rows go: stdout; `columns` is the width of the terminal where it is one. */
export type Output = Writable & { readonly columns?: number }

const rowsShownMax = 1000
const cellLengthMax = 2000
const columnWidthMin = 4
/** Of a column that is cut, at least so much is shown. */
const readableWidth = 12

/**
 * One JSON object a line, in the order of the columns. A name that occurs twice gets a number: name, name_2.
 */
export async function writeNdjson(result: DuckDBResult, output: Output): Promise<void> {
  const names = uniqueNames(result.columnNames())
  await eachChunk(result, output, (rows) =>
    rows.map((row) => `${resultRowJson(names.map((name, index) => [name, row[index]!]))}\n`),
  )
}

/** CSV quoted as in RFC 4180, with a header; lines end with LF, as the tools here expect. null is an empty field, the empty text is "". */
export async function writeCsv(result: DuckDBResult, output: Output): Promise<void> {
  const line = (cells: readonly string[]) => `${cells.join(',')}\n`
  output.write(line(result.columnNames().map(csvField)))
  await eachChunk(result, output, (rows) =>
    rows.map((row) => line(row.map((value) => (value === null ? '' : csvField(resultCellText(value)))))),
  )
}

const rowsPerArrowBatchMax = 50_000

/** An Arrow IPC stream. */
export async function writeArrow(result: DuckDBResult, output: Output): Promise<void> {
  const types = result.columnTypes()
  const names = uniqueNames(result.columnNames())
  const writer = new ArrowWriter(names.map((name, index) => ({ name, type: types[index]! })))
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (!output.write(bytes)) await once(output, 'drain')
  }
  let waiting: DuckDBValue[][] = []
  for await (const rows of result.yieldRows()) {
    waiting.push(...rows)
    if (waiting.length < rowsPerArrowBatchMax) continue
    await write(writer.batch(waiting))
    waiting = []
  }
  if (waiting.length > 0) await write(writer.batch(waiting))
  await write(writer.end())
}

/**
 * An aligned table of at most `rowsShownMax` rows, not wider than the terminal. Where columns had to be cut to
 * less than is readable, or `expanded` asks for it, each row is a block with one line a column.
 */
export async function writeTable(
  result: DuckDBResult,
  output: Output,
  { expanded = false }: { readonly expanded?: boolean } = {},
): Promise<void> {
  const rows: DuckDBValue[][] = []
  for await (const chunk of result.yieldRows()) {
    rows.push(...chunk)
    if (rows.length > rowsShownMax) break
  }
  const shown = rows.slice(0, rowsShownMax)
  const cells = shown.map((row) => row.map((value) => (value === null ? '' : resultCellText(value))))
  const [names, isRight] = [result.columnNames(), result.columnTypes().map(isNumeric)]
  const widthMax = output.columns ?? Infinity
  const lines = cellLines(names, cells)
  const widths = fittingWidths(lines, widthMax)
  const isExpanded = (expanded || isUnreadable(lines, widths, widthMax)) && shown.length > 0
  output.write(isExpanded ? expandedText(lines) : alignedText(lines, widths, { widthMax, isRight }))
  output.write(`(${[countText(rows.length), ...(isExpanded ? [] : [cutText(lines, widths)])].join('')})\n`)
}

function countText(rowCount: number): string {
  if (rowCount <= rowsShownMax) return counted(rowCount, 'row')
  return `the first ${counted(rowsShownMax, 'row')}; --format json and csv give all`
}

/** What is not seen of an aligned table. */
function cutText(lines: readonly (readonly string[])[], widths: readonly number[]): string {
  const cut = lines[0]!.filter((_, column) => widths[column]! < widthOf(lines, column))
  return cut.length === 0
    ? ''
    : `; cut to the terminal: ${cut.join(', ')}; --format vertical shows all of them`
}

/** Columns aligned by the width that a terminal shows; the widest give way where the table is too wide. */
export function tableText(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  { widthMax = Infinity, isRight = [] }: { widthMax?: number; isRight?: readonly boolean[] } = {},
): string {
  const lines = cellLines(names, rows)
  return alignedText(lines, fittingWidths(lines, widthMax), { widthMax, isRight })
}

/** The names and the rows as what is shown of them. */
function cellLines(names: readonly string[], rows: readonly (readonly string[])[]): string[][] {
  return [names, ...rows].map((row) => row.map((cell) => printableLine(cell.slice(0, cellLengthMax))))
}

function alignedText(
  lines: readonly (readonly string[])[],
  widths: readonly number[],
  { widthMax, isRight }: { readonly widthMax: number; readonly isRight: readonly boolean[] },
): string {
  const text = (line: readonly string[]) => {
    const cells = line.map((cell, column) => (isRight[column] ? fitRight : fitLeft)(cell, widths[column]!))
    return `${cutToWidth(cells.join('  '), widthMax).trimEnd()}\n`
  }
  const rule = `${cutToWidth(widths.map((width) => '─'.repeat(width)).join('  '), widthMax)}\n`
  const [header, ...body] = lines
  return [text(header!), rule, ...body.map(text)].join('')
}

/** A block for each row: the name and the value of each column, the value whole. */
function expandedText([names, ...rows]: readonly (readonly string[])[]): string {
  const width = Math.max(...names!.map(displayWidth))
  const blocks = rows.map((row, index) => {
    const lines = row.map((cell, column) => `${fitLeft(names![column]!, width)}  ${cell}`.trimEnd())
    return [`── row ${index + 1} ${'─'.repeat(Math.max(0, width - 6))}`, ...lines].join('\n')
  })
  return `${blocks.join('\n')}\n`
}

function widthOf(lines: readonly (readonly string[])[], column: number): number {
  return Math.max(1, ...lines.map((line) => displayWidth(line[column]!)))
}

/** Takes columns from the widest until all fit, or none can give more. */
function fittingWidths(lines: readonly (readonly string[])[], widthMax: number): number[] {
  const widths = lines[0]!.map((_, column) => widthOf(lines, column))
  let over = widths.reduce((sum, width) => sum + width, 0) + 2 * (widths.length - 1) - widthMax
  while (over > 0) {
    const widest = Math.max(...widths)
    if (widest <= columnWidthMin) break
    widths[widths.indexOf(widest)] = widest - 1
    over--
  }
  return widths
}

/** True where the table is too wide all the same, or a column keeps less than one can make sense of. */
function isUnreadable(
  lines: readonly (readonly string[])[],
  widths: readonly number[],
  widthMax: number,
): boolean {
  const used = widths.reduce((sum, width) => sum + width, 0) + 2 * (widths.length - 1)
  const isCutShort = (width: number, column: number): boolean =>
    width < Math.min(readableWidth, widthOf(lines, column))
  return used > widthMax || widths.some(isCutShort)
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
