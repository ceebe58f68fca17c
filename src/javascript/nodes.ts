// The operators of the row path: where the rows of a relation are in the code, and what their columns are.
import { assert, unreachable } from '../errors/errors.ts'
import { JsonScanner } from '../json/scanner.ts'
import { countsAlone, type OverNode, overColumns, type PlanNode, storedText } from '../plan/index.ts'
import { Block, type Code, type CodeWriter, isPlainName, unwrapped } from './block.ts'
import type { RowPathPlan, RowState } from './row-batch.ts'

type ReadJson = Extract<PlanNode, { kind: 'readJson' }>
type Decode = Extract<PlanNode, { kind: 'decode' }>
type Deduplicate = Extract<PlanNode, { kind: 'deduplicate' }>
type StateName = { readonly name: string; readonly node: RowState }

const noBytes = new Uint8Array(0)

export class NodeWriter {
  readonly #writer: CodeWriter
  readonly #row: Block
  readonly #plan: RowPathPlan
  readonly #keys = new WeakMap<PlanNode, string>()
  readonly #numbers = new Map<string, number>()
  readonly #blocks = new Map<string, Block>()
  readonly #readers = new Map<string, JsonScanner>()
  readonly #states = new Map<string, StateName>()
  readonly #reads = new Set<string>()
  #decoder: string | null = null

  constructor(writer: CodeWriter, row: Block, plan: RowPathPlan) {
    this.#writer = writer
    this.#row = row
    this.#plan = plan
  }

  get reads(): readonly string[] {
    return [...this.#reads]
  }

  /** The name that the batch's decoder has in the code; null where nothing is decoded. */
  get decoder(): string | null {
    return this.#decoder
  }

  get states(): readonly StateName[] {
    return [...this.#states.values()]
  }

  /** The block that runs once for each row of the relation. */
  blockOf(node: PlanNode): Block {
    switch (node.kind) {
      case 'input':
        return node.name === this.#plan.source ? this.#row : this.blockOf(this.#derived(node.name))
      case 'filter':
        return this.#filtered(node)
      case 'project':
      case 'readJson':
      case 'decode':
      case 'shared':
      case 'deduplicate':
      case 'over':
        return this.blockOf(node.input)
      case 'window':
      case 'unpivot':
      case 'baseline':
      case 'sessions':
      case 'expand':
        throw new Error(`no ${node.kind} is part of the row path`)
      default:
        return unreachable(node)
    }
  }

  /** The column's value in `block`, which is the relation's block or one in it. */
  column(node: PlanNode, name: string, block: Block): Code {
    switch (node.kind) {
      case 'input':
        if (node.name === this.#plan.source) return this.#given(name, block)
        return this.column(this.#derived(node.name), name, block)
      case 'filter':
      case 'shared':
        return this.column(node.input, name, block)
      case 'project':
        return this.#computed(node, name, block)
      case 'readJson':
        return this.#read(node, name, block)
      case 'decode':
        if (name !== node.as && name !== node.failure) return this.column(node.input, name, block)
        return this.#decoded(node, name, block)
      case 'deduplicate':
        return name === node.as ? this.#judged(node, block) : this.column(node.input, name, block)
      case 'over':
        return name in node.aggregates ? this.#over(node, name, block) : this.column(node.input, name, block)
      case 'window':
      case 'unpivot':
      case 'baseline':
      case 'sessions':
      case 'expand':
        throw new Error(`no ${node.kind} is part of the row path`)
      default:
        return unreachable(node)
    }
  }

  #derived(name: string): PlanNode {
    const node = this.#plan.derived?.[name]
    assert(node !== undefined, `nothing says how ${name} is computed`)
    return node
  }

  /** Equal relations have equal keys, also where each stored table has its own. */
  #keyOf(node: PlanNode): string {
    const known = this.#keys.get(node)
    if (known !== undefined) return known
    // A relation that is read stands there as a number: else each would be written once for all above it.
    const text = storedText({
      ...node,
      ...('input' in node ? { input: this.#keyOf(node.input) } : {}),
      ...('history' in node ? { history: this.#keyOf(node.history) } : {}),
    })
    const number = this.#numbers.get(text) ?? this.#numbers.size
    this.#numbers.set(text, number)
    const key = `relation ${number}`
    this.#keys.set(node, key)
    return key
  }

  #filtered(node: Extract<PlanNode, { kind: 'filter' }>): Block {
    const key = this.#keyOf(node)
    const known = this.#blocks.get(key)
    if (known !== undefined) return known
    const outer = this.blockOf(node.input)
    const condition = this.#writer.truth(node.where, outer, (name, at) => this.column(node.input, name, at))
    const block = new Block(`if (${unwrapped(condition)}) {`, outer)
    outer.add(block)
    this.#blocks.set(key, block)
    return block
  }

  #given(name: string, block: Block): Code {
    const known = block.named(`given ${name}`)
    if (known !== undefined) return known
    this.#reads.add(name)
    const property = isPlainName(name) ? `.${name}` : `[${this.#writer.bound.name(name, 'column')}]`
    return this.#once(`given ${name}`, name, `row${property}`, this.#row, block)
  }

  #computed(node: Extract<PlanNode, { kind: 'project' }>, name: string, block: Block): Code {
    const expr = node.columns[name]
    assert(expr !== undefined, `the relation has no column ${name}`)
    if (expr.kind === 'column') return this.column(node.input, expr.name, block)
    const key = `${name} of ${this.#keyOf(node)}`
    const known = block.named(key)
    if (known !== undefined) return known
    const { home } = block
    const resolve = (column: string, at: Block): Code => this.column(node.input, column, at)
    const code = home.before(block, () =>
      this.#writer.named(this.#writer.value(expr, home, resolve, name), home, name),
    )
    const target = code.isOfBatch ? this.#writer.batch : home
    target.name(key, code)
    return code
  }

  /** A statement in `home`, which is `block` or around it, so that both can use what it names. */
  #once(key: string, wish: string, text: string, home: Block, block: Block, isNullable = true): Code {
    const code: Code = { text: this.#writer.names.free(wish), isNullable, isOfBatch: false }
    home.before(block, () => home.add(`const ${code.text} = ${text}`))
    home.name(key, code)
    return code
  }

  /** The document is read once, for every row: its fields stand where the reader has them. */
  #read(node: ReadJson, name: string, block: Block): Code {
    if (name !== node.as && !(name in node.fields)) return this.column(node.input, name, block)
    const { bound } = this.#writer
    const key = this.#keyOf(node)
    const reader = this.#readers.get(key) ?? new JsonScanner(Object.values(node.fields))
    this.#readers.set(key, reader)
    const home = this.blockOf(node.input)
    const known = block.named(`read ${key}`)
    const isDocument = known ?? this.#scan(node, reader, home, block)
    if (name === node.as) return isDocument
    const index = Object.keys(node.fields).indexOf(name)
    return { text: bound.name(reader.fields[index], name), isNullable: true, isOfBatch: false }
  }

  #scan(node: ReadJson, reader: JsonScanner, home: Block, block: Block): Code {
    const { bound } = this.#writer
    const value = home.before(block, () => this.column(node.input, node.from, home))
    const bytes = value.isNullable ? `${value.text} ?? ${bound.name(noBytes, 'no_bytes')}` : value.text
    const text = `${bound.name(reader, 'json')}.scan(${bytes})`
    return this.#once(`read ${this.#keyOf(node)}`, node.as, text, home, block, false)
  }

  /** A value is decoded once for each row: what became of it stands where the decoder has it. */
  #decoded(node: Decode, name: string, block: Block): Code {
    const key = this.#keyOf(node)
    const known = block.named(`${name} of ${key}`)
    if (known !== undefined) return known
    const home = this.blockOf(node.input)
    this.#decoder ??= this.#writer.names.free('decoder')
    const decoder = this.#decoder
    const codes = home.before(block, () => {
      const [value, headers] = [node.from, node.headers].map((column) =>
        this.column(node.input, column, home),
      )
      const made = [node.as, node.failure].map((column): Code => {
        return { text: this.#writer.names.free(column), isNullable: true, isOfBatch: false }
      })
      home.add(`const ${made[0]!.text} = ${decoder}.document(${value!.text}, ${headers!.text})`)
      home.add(`const ${made[1]!.text} = ${decoder}.failure`)
      return made
    })
    home.name(`${node.as} of ${key}`, codes[0]!)
    home.name(`${node.failure} of ${key}`, codes[1]!)
    return name === node.as ? codes[0]! : codes[1]!
  }

  /** What is remembered of rows is asked once for each row, whoever needs the answer. */
  #judged(node: Deduplicate, block: Block): Code {
    const key = this.#keyOf(node)
    const known = block.named(key)
    if (known !== undefined) return known
    const home = this.blockOf(node.input)
    const state = this.#stateOf(node, key, node.as)
    const asked = home.before(block, () => {
      const resolve = (name: string, at: Block): Code => this.column(node.input, name, at)
      const [id, time] = [node.key, node.eventTime].map((name) => resolve(name, home).text)
      const candidate = this.#writer.truth(node.candidate, home, resolve)
      return `${unwrapped(candidate)} && ${state}.repeats(${id}, ${time})`
    })
    return this.#once(key, node.as, asked, home, block, false)
  }

  #over(node: OverNode, name: string, block: Block): Code {
    const key = this.#keyOf(node)
    const known = block.named(`${name} of ${key}`)
    if (known !== undefined) return known
    const home = this.blockOf(node.input)
    const names = Object.keys(node.aggregates)
    const state = this.#stateOf(node, key, names[0]!)
    const codes = home.before(block, () => {
      const [id, time] = [node.key, node.eventTime].map((column) => this.column(node.input, column, home))
      if (countsAlone(node)) return this.#counted(node, state, id!, time!, home)
      const given = overColumns(node).map((column) => this.column(node.input, column, home).text)
      for (const [index, text] of given.entries()) home.add(`${state}.values[${index}] = ${text}`)
      home.add(`${state}.add(${id!.text}, ${time!.text})`)
      return names.map((column, index) => {
        const code = { text: this.#writer.names.free(column), isNullable: true, isOfBatch: false }
        home.add(`const ${code.text} = ${state}.results[${index}]`)
        return code
      })
    })
    for (const [index, column] of names.entries()) home.name(`${column} of ${key}`, codes[index]!)
    return codes[names.indexOf(name)]!
  }

  /** One question for all columns that are counts: they are the same. */
  #counted(node: OverNode, state: string, id: Code, time: Code, home: Block): Code[] {
    const names = Object.keys(node.aggregates)
    const nullable = [id, time].filter((code) => code.isNullable)
    const nulls = nullable.map((code) => `${code.text} === null`).join(' || ')
    const count = `${state}.count(${id.text}, ${time.text})`
    const text = this.#writer.names.free(names[0]!)
    home.add(`const ${text} = ${nulls === '' ? count : `${nulls} ? null : ${count}`}`)
    return names.map(() => ({ text, isNullable: nulls !== '', isOfBatch: false }))
  }

  #stateOf(node: RowState, key: string, wish: string): string {
    const known = this.#states.get(key) ?? { name: this.#writer.names.free(`${wish}_state`), node }
    this.#states.set(key, known)
    return known.name
  }
}
