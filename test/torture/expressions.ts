// Random expressions, or conditions of rules, on DuckDB, on Spark and in JavaScript, cell by cell.
// Run: npm run test:expressions -- [expressions] [seed], npm run test:rules -- [conditions] [seed]
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { addFunctions } from '../../src/engines/duckdb-functions.ts'
import type { Expr } from '../../src/expr/index.ts'
import { type Difference, differencesOf, onDuckdb, onJavascript, onRecords } from '../compare/evaluators.ts'
import { anyCondition } from '../generate/conditions.ts'
import { anyExpression, anyRow } from '../generate/expressions.ts'
import { onSpark } from '../services/spark/evaluator.ts'
import { sparkAbsent, startTestSpark } from '../services/spark/harness.ts'

const expressionsPerBatch = 150
const rowsPerBatch = 12
const differencesShown = 10

async function main(generator: fc.Arbitrary<Expr>, count: number, seed: number): Promise<void> {
  console.log(`${count} of ${generator === anyCondition ? 'rules' : 'all'}, seed ${seed}`)
  if (sparkAbsent !== null) console.log(`Without Spark: ${sparkAbsent}`)
  const startedMs = performance.now()
  const server = sparkAbsent === null ? await startTestSpark() : null
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  addFunctions(connection)
  const wrong: Difference[] = []
  try {
    for (let [batch, done] = [0, 0]; done < count; batch++) {
      const numRuns = Math.min(expressionsPerBatch, count - done)
      const expressions = fc.sample(generator, { seed: seed + batch, numRuns })
      const rows = fc.sample(anyRow, { seed: seed + batch, numRuns: rowsPerBatch })
      const differences = differencesOf(expressions, rows, {
        duckdb: (await onDuckdb(connection, expressions, rows)).table,
        javascript: onJavascript(expressions, rows),
        records: onRecords(expressions, rows),
        ...(server === null ? {} : { spark: (await onSpark(server.session, expressions, rows)).table }),
      })
      done += numRuns
      wrong.push(...differences)
      for (const one of differences.slice(0, 3)) console.log(`  batch ${batch}: ${JSON.stringify(one)}`)
      if (batch % 20 === 19) console.log(`  ${done} done`)
      if (wrong.length > differencesShown) break
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
    await server?.close()
  }
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  console.log(`${wrong.length === 0 ? 'No cell differs' : 'Cells differ'}, ${seconds} s`)
  if (wrong.length > 0) process.exitCode = 1
}

if (import.meta.main) {
  const [kind, count, seed] = process.argv.slice(2)
  const generator = kind === 'rules' ? anyCondition : anyExpression
  await main(generator, Number(count ?? 10_000), Number(seed ?? Date.now() % 2 ** 31))
}
