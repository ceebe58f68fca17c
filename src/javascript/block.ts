// Generated code while it is written: statements in blocks, and the names of what they compute.

import type { Expr } from '../expr/index.ts'

/** A piece of code that stands for a value. */
export type Code = {
  readonly text: string
  /** False where the value is known never to be null. */
  readonly isNullable: boolean
  /** Whether the value is the same for all rows of a batch. */
  readonly isOfBatch: boolean
  /** Of an int whose bounds are known. */
  readonly range?: readonly [min: number, max: number]
}

/** Statements between braces. What a block names, the blocks in it can use. */
export class Block {
  readonly head: string
  readonly parent: Block | null
  readonly #items: (string | Block)[] = []
  readonly #named = new Map<string, Code>()
  /** Where the next statement goes; null is behind all others. */
  #at: number | null = null

  constructor(head: string, parent: Block | null) {
    this.head = head
    this.parent = parent
  }

  /**
   * Where the columns go that a block asks for: a branch of an expression leaves them to the block around it,
   * so that they are there for others too.
   */
  get home(): Block {
    return this
  }

  get isEmpty(): boolean {
    return this.#items.length === 0
  }

  add(item: string | Block): void {
    if (this.#at === null) this.#items.push(item)
    else this.#items.splice(this.#at++, 0, item)
  }

  /** Moves this block, in those around it, behind what they have got since: then it can use all of that. */
  moveLast(): void {
    if (this.parent === null) return
    const items = this.parent.#items
    const index = items.indexOf(this)
    if (index < 0) return
    items.push(...items.splice(index, 1))
    this.parent.moveLast()
  }

  /** What `write` adds to this block stands before what is in the way to `inner`, which then can use it. */
  before<T>(inner: Block, write: () => T): T {
    let child = inner
    while (child !== this && child.parent !== this && child.parent !== null) child = child.parent
    const index = this.#items.indexOf(child)
    if (index < 0) return write() // Not added yet: all that is there stands before it.
    const outer = this.#at
    this.#at = outer === null ? index : Math.min(index, outer)
    const count = this.#items.length
    const written = write()
    this.#at = outer === null ? null : outer + this.#items.length - count
    return written
  }

  /** What was named by this key here or around. */
  named(key: string): Code | undefined {
    return this.#named.get(key) ?? this.parent?.named(key)
  }

  name(key: string, code: Code): void {
    this.#named.set(key, code)
  }

  lines(): string[] {
    return this.#items.flatMap((item) =>
      typeof item === 'string'
        ? item.split('\n')
        : [item.head, ...item.lines().map((line) => `  ${line}`), '}'],
    )
  }
}

/** A branch of an expression. */
export class Branch extends Block {
  override get home(): Block {
    return this.parent === null ? this : this.parent.home
  }
}

/** Names that stand for one thing each in the whole of the code, near to what they are asked to be. */
export class Names {
  readonly #taken = new Set<string>(reservedWords)

  free(wish: string): string {
    const spelt = wish.replaceAll(' ', '_')
    const plain = isPlainName(spelt) ? spelt : 'unnamed'
    for (let number = 1; ; number++) {
      const name = number === 1 ? plain : `${plain}_${number}`
      if (this.#taken.has(name)) continue
      this.#taken.add(name)
      return name
    }
  }
}

/** A name that is code as it stands: any other is bound as a value. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]{0,60}$/.test(name)
}

const reservedWords = [
  ...'arguments await break case catch class const continue debugger default delete do else enum eval'.split(
    ' ',
  ),
  ...'export extends false finally for function if implements import in instanceof interface let new'.split(
    ' ',
  ),
  ...'null package private protected public return static super switch this throw true try typeof'.split(' '),
  ...'undefined var void while with yield Infinity NaN Set Array Object Math'.split(' '),
]

/** Values that the code refers to by name. */
export class Bound {
  readonly values = new Map<string, unknown>()
  readonly #names: Names
  readonly #known = new Map<unknown, string>()

  constructor(names: Names) {
    this.#names = names
  }

  /** The name of the value; equal texts, and the same object, have one. */
  name(value: unknown, wish: string): string {
    const known = this.#known.get(value)
    if (known !== undefined) return known
    const name = this.#names.free(wish)
    this.#known.set(value, name)
    this.values.set(name, value)
    return name
  }
}

/** What stands for the columns of an expression. */
export type Resolve = (column: string, block: Block) => Code

/** What the code of expressions is written with. */
export type CodeWriter = {
  readonly names: Names
  readonly bound: Bound
  /** Where stands what is computed once for a batch. */
  readonly batch: Block
  /** Code of the value; what it needs before is added to the block. `wish` is a name for it. */
  value(expr: Expr, block: Block, resolve: Resolve, wish?: string): Code
  /** Code that is true in JavaScript where the value is true, and not where it is false or null. */
  truth(expr: Expr, block: Block, resolve: Resolve): string
  /** The value under a name, so that it can be written more than once. */
  atom(expr: Expr, block: Block, resolve: Resolve, wish?: string): Code
  /** A name for the code, unless it is one, or as short as one. */
  named(code: Code, block: Block, wish: string): Code
}

/** Without the parentheses around the whole of it. */
export function unwrapped(text: string): string {
  if (!text.startsWith('(') || !text.endsWith(')')) return text
  let depth = 0
  for (let at = 0; at < text.length - 1; at++) {
    if (text[at] === '(') depth++
    else if (text[at] === ')') depth--
    if (depth === 0) return text
  }
  return text.slice(1, -1)
}
