// The SELECTs that compare what a table holds with what it should hold, cell by cell.
import { quoteIdentifier, quoteText } from '../delta/sql.ts'

export type Comparison = {
  /** A relation: a name, or a SELECT in parentheses. */
  readonly found: string
  readonly expected: string
  readonly keys: readonly string[]
  /** Compared beside the keys. Doubles are compared exactly. */
  readonly columns: readonly string[]
  /** False where `expected` may hold rows that nothing of `found` answers to. */
  readonly isComplete: boolean
  /** What a row is that only `found` has. */
  readonly extra: string
}

/**
 * Rows that are missing, extra, twice or different, with the first column that differs. Null keys are equal
 * to each other: they are groups of their own.
 */
export function differencesSql(comparison: Comparison): string {
  const { found, expected, keys, columns, isComplete, extra } = comparison
  const names = keys.map(quoteIdentifier)
  const compared = columns.map(quoteIdentifier)
  const list = [...names, ...compared].join(', ')
  const on = names.map((key) => `f.${key} IS NOT DISTINCT FROM e.${key}`).join(' AND ')
  const differs = compared.map((column) => `f.${column} IS DISTINCT FROM e.${column}`)
  const isPair = 'f.is_found AND e.is_expected'
  const missing = isComplete ? 'f.is_found IS NULL OR ' : ''
  const problem = `CASE WHEN f.is_found IS NULL THEN 'missing' WHEN e.is_expected IS NULL THEN ${quoteText(extra)}
    ELSE 'differs' END`
  return `SELECT ${names.map((key) => `coalesce(f.${key}, e.${key}) AS ${key}`).join(', ')}, ${problem} AS problem,
  ${firstDifference(isPair, columns, differs, (column) => quoteText(column))} AS "column",
  ${firstDifference(isPair, columns, differs, (column) => `CAST(f.${quoteIdentifier(column)} AS VARCHAR)`)} AS found,
  ${firstDifference(isPair, columns, differs, (column) => `CAST(e.${quoteIdentifier(column)} AS VARCHAR)`)} AS expected
FROM (SELECT ${list}, true AS is_found FROM ${found}) AS f
${isComplete ? 'FULL' : 'LEFT'} JOIN (SELECT ${list}, true AS is_expected FROM ${expected}) AS e ON ${on}
WHERE ${missing}e.is_expected IS NULL OR ${differs.join(' OR ') || 'false'}
UNION ALL
${twiceSql(found, keys)}`
}

/** Rows that have no keys: how often each is there, and how often it should be. */
export function bagDifferencesSql(comparison: Omit<Comparison, 'keys'>): string {
  const { found, expected, columns, isComplete, extra } = comparison
  const names = columns.map(quoteIdentifier)
  const bag = (relation: string): string =>
    `(SELECT ${names.join(', ')}, count(*) AS row_count FROM ${relation} GROUP BY ALL)`
  const isSame = names.map((name) => `f.${name} IS NOT DISTINCT FROM e.${name}`).join(' AND ')
  const [is, should] = ['coalesce(f.row_count, 0)', 'coalesce(e.row_count, 0)']
  return `SELECT ${names.map((name) => `if(f.row_count IS NULL, e.${name}, f.${name}) AS ${name}`).join(', ')},
  CASE WHEN ${is} < ${should} THEN 'missing' WHEN ${should} = 0 THEN ${quoteText(extra)} ELSE 'is there another number of times' END AS problem,
  NULL AS "column", CAST(${is} AS VARCHAR) || ' rows' AS found, CAST(${should} AS VARCHAR) || ' rows' AS expected
FROM ${bag(found)} AS f FULL JOIN ${bag(expected)} AS e ON ${isSame}
WHERE ${is} ${isComplete ? '<>' : '<'} ${should}`
}

/** Keys that a relation has more than once. */
export function twiceSql(relation: string, keys: readonly string[]): string {
  const names = keys.map(quoteIdentifier).join(', ')
  return `SELECT ${names}, 'is there more than once' AS problem, NULL AS "column",
  CAST(count(*) AS VARCHAR) || ' rows' AS found, '1 row' AS expected
FROM ${relation} GROUP BY ${names} HAVING count(*) > 1`
}

function firstDifference(
  condition: string,
  columns: readonly string[],
  differs: readonly string[],
  value: (column: string) => string,
): string {
  if (columns.length === 0) return 'CAST(NULL AS VARCHAR)'
  const branches = columns.map((column, index) => `WHEN ${differs[index]} THEN ${value(column)}`)
  return `CASE WHEN ${condition} THEN CASE ${branches.join(' ')} END END`
}
