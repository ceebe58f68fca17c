// What two definitions of one table have in common, column by column: a definition says the same of a column
// where its expression, and those of the columns that it is made of, are the same.
import type { Schema } from '../expr/index.ts'
import { copyName, expandOf } from './expand.ts'
import { labelsText, unpivotOf } from './figures.ts'
import { sessionsIn, windowOf } from './inputs.ts'
import { type ReasonDifference, reasonDifference } from './reason-conditions.ts'
import type { PlanNode, WindowNode } from './relation.ts'
import { storedText } from './stored.ts'
import type { TableDefinition } from './table.ts'

export type Retyped = { readonly name: string; readonly was: string; readonly is: string }

export type TableDifference = {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly retyped: readonly Retyped[]
  /** Columns of both whose values are computed in another way. */
  readonly recomputed: readonly string[]
  /** Other rows: a filter, or what the rows are made of. */
  readonly isOfOtherRows: boolean
  /** Figures, or copies of each row, of which one of the two has no rows. */
  readonly addedFigures: readonly string[]
  readonly removedFigures: readonly string[]
  /** The reasons of its rows, or of those that it leaves out. */
  readonly reasons: ReasonDifference
  /** What else is another, in words such as `the size of its windows was 5 minutes and is 1 hour`. */
  readonly layout: readonly string[]
}

/** null where the two say the same. */
export function tableDifference(was: TableDefinition, is: TableDefinition): TableDifference | null {
  const [figuresBefore, figuresAfter] = [figuresOf(was), figuresOf(is)]
  const common = new Set(figuresAfter.keys()).intersection(figuresBefore)
  const nodeBefore = withFigures(was.rows.node, common)
  const nodeAfter = withFigures(is.rows.node, common)
  const [before, after]: [Schema, Schema] = [was.rows.schema, is.rows.schema]
  const both = Object.keys(after).filter((name) => name in before)
  const numbers: Numbers = new Map()
  const textBefore = columnTexts(nodeBefore, numbers)
  const textAfter = columnTexts(nodeAfter, numbers)
  const retyped = both.flatMap((name) => {
    return before[name] === after[name] ? [] : [{ name, was: before[name]!, is: after[name]! }]
  })
  const difference = {
    added: Object.keys(after).filter((name) => !(name in before)),
    removed: Object.keys(before).filter((name) => !(name in after)),
    retyped,
    recomputed: both.filter((name) => before[name] === after[name] && textBefore(name) !== textAfter(name)),
    addedFigures: without(figuresAfter, common),
    removedFigures: without(figuresBefore, common),
    reasons: reasonDifference(was.rows.node, is.rows.node),
    isOfOtherRows: rowsText(was.rows.node, numbers) !== rowsText(is.rows.node, numbers),
    layout: layoutDifferences(was, is),
  }
  const { reasons: _, ...parts } = difference
  return Object.values(parts).every((part) => part === false || (part as readonly unknown[]).length === 0)
    ? null
    : difference
}

/** The figures that a table has rows of, or the copies of each row: their names, by what tells them apart. */
function figuresOf({ rows }: TableDefinition): ReadonlyMap<string, string> {
  const expanded = expandOf(rows.node)
  if (expanded !== null) {
    const names = expanded.copies.map((copy) => copyName(expanded, copy))
    return new Map(names.map((name) => [name, `${expanded.by} ${name}`]))
  }
  const node = unpivotOf(rows.node)
  return new Map(node?.figures.map((one) => [labelsText(node.labels, one), one.of]))
}

function without(figures: ReadonlyMap<string, string>, common: ReadonlySet<string>): string[] {
  return [...figures].flatMap(([text, name]) => (common.has(text) ? [] : [name]))
}

/** The plan with these of its figures alone. */
function withFigures(node: PlanNode, common: ReadonlySet<string>): PlanNode {
  if (node.kind === 'unpivot') {
    const figures = node.figures.filter((one) => common.has(labelsText(node.labels, one)))
    return { ...node, figures: figures.toSorted((a, b) => (a.of < b.of ? -1 : 1)) }
  }
  if (node.kind === 'expand')
    return { ...node, copies: node.copies.filter((copy) => common.has(copyName(node, copy))) }
  return 'input' in node ? { ...node, input: withFigures(node.input, common) } : node
}

function layoutDifferences(was: TableDefinition, is: TableDefinition): string[] {
  const [before, after] = [windowOf(was.rows.node), windowOf(is.rows.node)]
  const [sessionsBefore, sessionsAfter] = [sessionsIn(was.rows.node), sessionsIn(is.rows.node)]
  const changes: [what: string, was: string, is: string][] = [
    ['its watermark', was.watermark ?? 'none', is.watermark ?? 'none'],
    ['its stream', was.stream, is.stream],
    ['its partition column', was.partitionBy ?? 'none', is.partitionBy ?? 'none'],
    ['the size of its windows', lengthOf(before?.sizeMicros), lengthOf(after?.sizeMicros)],
    ['the slide of its windows', slideOf(before), slideOf(after)],
    ['the keys of its windows', listOf(before?.keys), listOf(after?.keys)],
    ['the gap of its sessions', lengthOf(sessionsBefore?.gapMicros), lengthOf(sessionsAfter?.gapMicros)],
    [
      'the greatest length of its sessions',
      lengthOf(sessionsBefore?.lengthMaxMicros),
      lengthOf(sessionsAfter?.lengthMaxMicros),
    ],
    ['the keys of its sessions', listOf(sessionsBefore?.keys), listOf(sessionsAfter?.keys)],
  ]
  return changes.flatMap(([what, old, now]) => (old === now ? [] : [`${what} was ${old} and is ${now}`]))
}

const units: readonly (readonly [micros: bigint, name: string])[] = [
  [86_400_000_000n, 'day'],
  [3_600_000_000n, 'hour'],
  [60_000_000n, 'minute'],
  [1_000_000n, 'second'],
  [1n, 'microsecond'],
]

/** Windows that stand side by side have none of their own. */
function slideOf(node: WindowNode | null): string {
  return node === null || node.slideMicros === node.sizeMicros ? 'none' : lengthOf(node.slideMicros)
}

function lengthOf(micros: bigint | undefined): string {
  if (micros === undefined) return 'none'
  const [unit, name] = units.find(([one]) => micros % one === 0n)!
  return `${micros / unit} ${name}${micros === unit ? '' : 's'}`
}

function listOf(names: readonly string[] | undefined): string {
  return names === undefined || names.length === 0 ? 'none' : names.join(', ')
}

/** Parts of expressions are named again and again: what a text is made of goes by its number. */
type Numbers = Map<string, number>

/** What the rows are, whatever their columns. */
function rowsText(node: PlanNode, numbers: Numbers): string {
  switch (node.kind) {
    case 'input':
      return storedText(node.reads)
    case 'filter': {
      const where = expressionText(node.where, columnTexts(node.input, numbers), numbers)
      return `${rowsText(node.input, numbers)} where ${where}`
    }
    case 'window': {
      const texts = columnTexts(node.input, numbers)
      const { eventTime, sizeMicros, slideMicros, keys } = node
      const windows = `${sizeMicros} ${slideMicros} of ${texts(eventTime)} by ${keys.map(texts).join(', ')}`
      return `${rowsText(node.input, numbers)} in ${windows}`
    }
    case 'sessions': {
      const texts = columnTexts(node.input, numbers)
      const { eventTime, keys, arrival } = node
      return `${rowsText(node.input, numbers)} in sessions of ${[eventTime, ...arrival, ...keys].map(texts).join(', ')}`
    }
    default:
      return rowsText(node.input, numbers)
  }
}

/** Text of the values of a column; equal texts are equal values for equal rows. */
function columnTexts(node: PlanNode, numbers: Numbers): (name: string) => string {
  const known = new Map<string, string>()
  const below = 'input' in node ? columnTexts(node.input, numbers) : null
  return (name) => {
    const text = known.get(name) ?? columnText(node, name, below, numbers)
    known.set(name, text)
    return text
  }
}

function columnText(
  node: PlanNode,
  name: string,
  below: ((name: string) => string) | null,
  numbers: Numbers,
): string {
  if (below === null) return `column ${name}`
  switch (node.kind) {
    case 'project': {
      const expr = node.columns[name]
      // Kept as it is, however often.
      return expr?.kind === 'column' ? below(expr.name) : expressionText(expr, below, numbers)
    }
    case 'readJson': {
      const path = node.fields[name]
      if (path !== undefined) return `json ${storedText(path)} of ${below(node.from)}`
      return name === node.as ? `document ${below(node.from)}` : below(name)
    }
    case 'decode':
      // Of plain values it is these: who has no other is not told of a change that changes nothing.
      if (name === node.as) return below(node.from)
      return name === node.failure ? `failure of ${below(node.from)}` : below(name)
    case 'window': {
      if (name === 'window_start' || name === 'window_end') return name
      const aggregate = node.aggregates[name]
      return aggregate === undefined ? below(name) : expressionText(aggregate, below, numbers)
    }
    case 'unpivot': {
      if (node.keep.includes(name)) return below(name)
      if (name !== node.value) return `label ${name}`
      const texts = node.figures.map((one) => `${labelsText(node.labels, one)} ${below(one.of)}`)
      return `figures ${texts.join(', ')}`
    }
    case 'baseline': {
      if (name !== node.expected && name !== node.deviation) return below(name)
      const { input: _, columns: __, ...itself } = node
      return `${name} ${storedText(itself)} of ${[...node.keys, node.order, node.value].map(below).join(', ')}`
    }
    case 'sessions': {
      if (name === 'session_start' || name === 'session_end') return name
      const aggregate = node.aggregates[name]
      return aggregate === undefined ? below(name) : expressionText(aggregate, below, numbers)
    }
    case 'expand': {
      if (node.keep.includes(name)) return below(name)
      const texts = node.copies.map((copy) => {
        return `${copyName(node, copy)} ${expressionText(copy[name], below, numbers)}`
      })
      return `copies ${texts.sort().join(', ')}`
    }
    case 'over': {
      const aggregate = node.aggregates[name]
      if (aggregate === undefined) return below(name)
      const { key, eventTime, rangeMicros } = node
      const of = 'of' in aggregate ? below(aggregate.of) : ''
      const itself = storedText({ rangeMicros, aggregate })
      return `over ${below(key)} ${below(eventTime)} ${of} ${itself}`
    }
    default: {
      if (!('as' in node) || node.as !== name) return below(name)
      // An operator that looks at other rows.
      const { input: _, history: __, ...itself } = node
      return expressionText(itself, below, numbers)
    }
  }
}

function expressionText(part: unknown, below: (name: string) => string, numbers: Numbers): string {
  if (part === undefined) return 'none'
  const expanded: unknown = JSON.parse(storedText(part), (_, value: unknown) => {
    const isColumn = typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'column'
    return isColumn && 'name' in value
      ? { ...value, name: numberOf(below(String(value.name)), numbers) }
      : value
  })
  return JSON.stringify(expanded)
}

function numberOf(text: string, numbers: Numbers): number {
  const number = numbers.get(text) ?? numbers.size
  numbers.set(text, number)
  return number
}
