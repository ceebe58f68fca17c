// `in`: a value among the elements of a list.
import { likelyName } from '../errors/nearest-name.ts'
import { column, literal, or, parameter } from '../expr/index.ts'
import type { ListEntry } from '../plan/index.ts'
import { type AddedTexts, compared, inTexts, numberTyped } from './operators.ts'
import type { Compiler, RuleList } from './scope.ts'
import type { CelNode } from './syntax.ts'
import { exactTruth, kindNames, type Typed, typeName } from './typed.ts'

export function membershipOf(compiler: Compiler, node: CelNode & { readonly op: 'in' }): Typed | null {
  const [asked, list] = node.args
  const value = compiler.compiled(asked)
  const named = namedList(compiler, list)
  if (value === null || named === null) return null
  if (named !== undefined) return inNamed(compiler, node, value, named.name, named.list)
  if (list.op === 'id') return inColumn(compiler, list, value)
  if (list.op !== 'list') {
    return compiler.refuse(list, 'a list is expected behind "in": lists.name, or ["Nigeria", "China"]')
  }
  if (list.args.length === 0) return compiler.refuse(list, 'a list without elements holds nothing')
  const elements = list.args.map((element) => ({ element, typed: compiler.compiled(element) }))
  const typed: Typed[] = []
  for (const { element, typed: one } of elements) {
    if (one === null) return null
    if (one.kind !== value.kind) {
      const told = `${kindNames[value.kind]} is looked for, and this is ${kindNames[one.kind]}`
      return compiler.refuse(element, `${told}: all elements have to be of its kind`)
    }
    typed.push(one)
  }
  const texts = typed.map(({ text }) => text)
  if (texts.every((text) => text !== undefined)) {
    return inTexts(value, literal('array<string>', texts as readonly string[]))
  }
  return equalToOne(compiler, list, value, typed)
}

/** undefined where the node names no list; null where it names one that does not exist. */
export function namedList(
  compiler: Compiler,
  node: CelNode,
): { readonly name: string; readonly list: RuleList } | undefined | null {
  if (node.op !== '.' || node.args[0].op !== 'id' || node.args[0].args !== 'lists') return undefined
  const name = node.args[1]
  const { lists } = compiler.scope
  const list = Object.hasOwn(lists, name) ? lists[name] : undefined
  if (list !== undefined) return { name, list }
  const names = Object.keys(lists)
  const meant = likelyName(name, names)
  const known = names.length === 0 ? 'the file has no lists' : `lists are ${names.join(', ')}`
  compiler.tell(
    node.end - name.length,
    `there is no list ${name}: ${meant === null ? known : `did you mean ${meant}?`}`,
  )
  return null
}

function inNamed(
  compiler: Compiler,
  node: CelNode,
  value: Typed,
  name: string,
  list: RuleList,
): Typed | null {
  const kind = list.kind === 'texts' ? 'text' : 'number'
  if (value.kind !== kind) {
    return compiler.refuse(
      node,
      `lists.${name} holds ${list.kind}, and ${kindNames[value.kind]} is looked for`,
    )
  }
  if (list.kind === 'texts') {
    const isBound = compiler.scope.parameters.has(name)
    const type = 'array<string>'
    const elements = isBound ? parameter(name, type) : literal(type, list.elements)
    return inTexts(value, elements, { isAlsoIn: addedTexts(list.entries ?? []) })
  }
  const elements: Typed[] = []
  for (const number of list.elements) {
    const typed = compiler.taken(node, numberTyped(number))
    if (typed === null) return null
    elements.push(typed)
  }
  return equalToOne(compiler, node, value, elements)
}

/** Those of the same times together: which of them count goes by the time of the batch. */
function addedTexts(entries: readonly ListEntry[]): AddedTexts[] {
  const ofTimes = Map.groupBy(entries, ({ sinceMicros, untilMicros }) => `${sinceMicros} ${untilMicros}`)
  return [...ofTimes.values()].map((of) => {
    const { list: _, value: __, ...times } = of[0]!
    return { ...times, texts: of.map(({ value }) => value) }
  })
}

function inColumn(compiler: Compiler, list: CelNode & { readonly op: 'id' }, value: Typed): Typed | null {
  const name = list.args
  const type = Object.hasOwn(compiler.scope.columns, name) ? compiler.scope.columns[name] : undefined
  if (type === 'array<string>' && value.kind === 'text')
    return inTexts(value, column(name, type), { isListNullable: true })
  if (type === undefined) return compiler.compiled(list)
  return compiler.refuse(list, `${name} is ${typeName(type)} and no list: write == to compare`)
}

function equalToOne(
  compiler: Compiler,
  node: CelNode,
  value: Typed,
  elements: readonly Typed[],
): Typed | null {
  const equalities: Typed[] = []
  for (const element of elements) {
    const typed = compiler.taken(node, compared('==', value, element))
    if (typed === null) return null
    equalities.push(typed)
  }
  const [only, ...others] = equalities
  return others.length === 0 ? only! : { kind: 'truth', expr: or(...equalities.map(exactTruth)) }
}
