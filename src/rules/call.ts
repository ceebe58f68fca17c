import { type Expr, isNull, not } from '../expr/index.ts'
import { constants, type RuleFunction, ruleFunctions, unknownFunction } from './functions.ts'
import type { Compiler } from './scope.ts'
import type { CelNode } from './syntax.ts'
import { kindNames, type Typed } from './typed.ts'

export function callOf(compiler: Compiler, node: CelNode & { readonly op: 'call' | 'rcall' }): Typed | null {
  const [name, target, given] =
    node.op === 'call' ? [node.args[0], null, node.args[1]] : [node.args[0], node.args[1], node.args[2]]
  if (target === null && name === 'has') return presence(compiler, node, given)
  const constant = target === null ? constants.find((one) => one.name === name) : undefined
  if (constant !== undefined && given.length === 1) {
    const [first] = given as [CelNode]
    if (first.op === 'value' && typeof first.args === 'string') {
      const expr = constant.read(first.args)
      if (expr === null) return compiler.refuse(first, `${constant.expected} is expected`)
      return { kind: constant.gives, expr, isPresent: true }
    }
    if (name !== 'date') return compiler.refuse(first, `${constant.expected} is expected, in quotes`)
  }
  const found = ruleFunctions.find(
    (one) => one.name === name && one.form === (target === null ? 'call' : 'method'),
  )
  if (found === undefined) {
    const at = target === null ? node.start : compiler.source.indexOf(name, target.end)
    compiler.tell(at, unknownFunction(name, target !== null))
    return null
  }
  const nodes = target === null ? given : [target, ...given]
  const values = nodes.map((one) => compiler.compiled(one))
  if (values.some((value) => value === null)) return null
  return applied(compiler, node, found, nodes, values as Typed[])
}

function applied(
  compiler: Compiler,
  node: CelNode,
  found: RuleFunction,
  nodes: readonly CelNode[],
  values: readonly Typed[],
): Typed | null {
  if (nodes.length !== found.takes.length) {
    return compiler.refuse(node, `${found.name} is called with another number of values: ${found.example}`)
  }
  for (const [index, kind] of found.takes.entries()) {
    const value = values[index]!
    if (value.kind === kind) continue
    const told = `${found.name} takes ${kindNames[kind]}, and this is ${kindNames[value.kind]}`
    return compiler.refuse(nodes[index]!, `${told}: ${found.example}`)
  }
  const build = found.build as (...args: readonly Expr[]) => Expr // Their kinds were looked at.
  return { kind: found.gives, expr: build(...values.map(({ expr }) => expr)) }
}

function presence(compiler: Compiler, node: CelNode, given: readonly CelNode[]): Typed | null {
  const [asked] = given
  if (given.length !== 1 || asked === undefined || asked.op !== 'id') {
    return compiler.refuse(node, 'has asks for one name: has(country)')
  }
  const typed = compiler.compiled(asked)
  return typed === null ? null : { kind: 'truth', expr: not(isNull(typed.expr)), isPresent: true }
}
