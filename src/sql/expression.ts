// Expression -> SQL text of one engine.
import { unreachable } from '../errors/errors.ts'
import { type Aggregate, aggregateNamed, type Expr, functionNamed } from '../expr/index.ts'
import { type Dialect, literalSql } from './dialect.ts'

export function expressionSql(dialect: Dialect, expr: Expr): string {
  switch (expr.kind) {
    case 'column':
      return dialect.name(expr.name)
    case 'literal':
      return shortLiteral(dialect, expr)
    case 'parameter':
      return dialect.parameter(expr.name, expr.type)
    case 'call': {
      const record = functionNamed(expr.function)
      return record[dialect.engine](...expr.args.map((arg) => expressionSql(dialect, arg)))
    }
    case 'case': {
      const branches = expr.branches.map(
        (branch) => `WHEN ${expressionSql(dialect, branch.when)} THEN ${expressionSql(dialect, branch.then)}`,
      )
      return `CASE ${branches.join(' ')} ELSE ${expressionSql(dialect, expr.otherwise)} END`
    }
    default:
      return unreachable(expr)
  }
}

export function aggregateSql(dialect: Dialect, aggregate: Aggregate): string {
  return aggregateNamed(aggregate.function)[dialect.engine](...argumentsSql(dialect, aggregate))
}

/** The aggregate over the rows of one pane. */
export function paneSql(dialect: Dialect, aggregate: Aggregate): string {
  return aggregateNamed(aggregate.function).panes[dialect.engine].partial(...argumentsSql(dialect, aggregate))
}

/** The aggregate of a window from the column that holds those of its panes. */
export function combineSql(dialect: Dialect, aggregate: Aggregate, pane: string): string {
  return aggregateNamed(aggregate.function).panes[dialect.engine].combine(pane)
}

function argumentsSql(dialect: Dialect, aggregate: Aggregate): string[] {
  return aggregate.args.map((arg) => expressionSql(dialect, arg))
}

/** Small whole numbers and texts need no cast: their type follows from how they are written. */
function shortLiteral(dialect: Dialect, expr: Extract<Expr, { kind: 'literal' }>): string {
  if (expr.type === 'int' && typeof expr.value === 'number' && expr.value >= 0) return String(expr.value)
  return literalSql(dialect, expr.type, expr.value)
}
