// Definitions as text, and back: what a batch was computed by can be read again when the sources have
// changed.
import { assert } from '../errors/errors.ts'
import type { InputNode, OverNode, Reads } from './relation.ts'
import type { TableDefinition } from './table.ts'

/** Text of anything that a plan is made of; equal things have equal texts. */
export function storedText(value: unknown, named: NamedReads = {}): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'bigint') return { $long: String(part) }
    if (part instanceof Uint8Array) return { $bytes: Buffer.from(part).toString('hex') }
    if (isOver(part)) return asVelocity(part) ?? part
    return isInput(part) ? shortened(part, named) : part
  })
}

/** The table that `storedText` wrote. Its functions are those that have their names today. */
export function storedTable(text: string, named: NamedReads = {}): TableDefinition {
  const table: unknown = JSON.parse(text, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null) return part
    if ('$long' in part) return BigInt(String(part.$long))
    if ('$bytes' in part) return new Uint8Array(Buffer.from(String(part.$bytes), 'hex'))
    if (isVelocity(part)) return asOver(part)
    return isInput(part) ? { ...part, reads: part.reads ?? named[part.name] } : part
  })
  assert(typeof table === 'object' && table !== null && 'rows' in table && 'path' in table, 'a table')
  return table as TableDefinition // As storedText wrote it.
}

/** What the inputs of some names read: their text has the name alone. */
export type NamedReads = Readonly<Record<string, Reads>>

type StoredInput = Omit<InputNode, 'reads'> & { readonly reads?: Reads }

function isInput(part: unknown): part is StoredInput {
  return (
    typeof part === 'object' && part !== null && 'kind' in part && part.kind === 'input' && 'name' in part
  )
}

/** Without what the name says: such a definition has the text that it had before. */
function shortened(node: StoredInput, named: NamedReads): StoredInput {
  const { reads, ...others } = node
  return JSON.stringify(reads) === JSON.stringify(named[node.name]) ? others : node
}

/** A count alone, as it was before there were other aggregates: it keeps its text, and so its hash. */
type StoredVelocity = Omit<OverNode, 'kind' | 'aggregates'> & {
  readonly kind: 'velocity'
  readonly as: string
}

function isOver(part: unknown): part is OverNode {
  return typeof part === 'object' && part !== null && 'kind' in part && part.kind === 'over'
}

function isVelocity(part: object): part is StoredVelocity {
  return 'kind' in part && part.kind === 'velocity'
}

/** null where it is more than one count. */
function asVelocity({ kind: _, aggregates, input, ...others }: OverNode): StoredVelocity | null {
  const [count, ...more] = Object.entries(aggregates)
  if (count === undefined || more.length > 0 || count[1].function !== 'count') return null
  return { ...others, as: count[0], kind: 'velocity', input }
}

function asOver({ kind: _, as, ...others }: StoredVelocity): OverNode {
  return { ...others, kind: 'over', aggregates: { [as]: { function: 'count', type: 'int' } } }
}
