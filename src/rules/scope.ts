// What the names in a condition are, and what its parts are compiled with.
import type { Schema } from '../expr/index.ts'
import type { ListEntry } from '../plan/index.ts'
import type { Tell } from './mistake.ts'
import type { NumberLiteral } from './number-literal.ts'
import type { Computed, Impossible } from './operators.ts'
import type { CelNode } from './syntax.ts'
import type { Typed } from './typed.ts'

/** A named list; all its elements are of one kind. */
export type RuleList =
  | {
      readonly kind: 'texts'
      readonly elements: readonly string[]
      /** Elements that are none of the file's. */
      readonly entries?: readonly ListEntry[]
    }
  | { readonly kind: 'numbers'; readonly elements: readonly NumberLiteral[] }

/** What the names in a condition are. */
export type Scope = {
  readonly columns: Schema
  readonly lists: Readonly<Record<string, RuleList>>
  /** Lists of texts that each batch brings, under their names; the others stand in the expression. */
  readonly parameters: ReadonlySet<string>
}

/** What compiles the parts of one condition; each gives null where it told a mistake. */
export type Compiler = {
  readonly source: string
  readonly scope: Scope
  readonly tell: Tell
  compiled(node: CelNode): Typed | null
  taken(node: CelNode, found: Computed | Impossible): Typed | null
  /** Tells the mistake at the node. */
  refuse(node: CelNode, message: string): null
}
