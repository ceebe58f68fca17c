// The bench's own run, short: what it compares are the same rows, and its page can be written.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Figures } from '../../../bench/figures.ts'
import { figuresTable, pageWith } from '../../../bench/report.ts'
import { temporaryDirectory } from '../pipeline/assay.ts'
import { javaAvailable } from '../tools.ts'

const root = join(import.meta.dirname, '..', '..', '..')

describe.skipIf(javaAvailable !== null)('npm run bench', () => {
  test("Flink's job writes Assay's rows, repeated, disordered and malformed records included", async () => {
    const out = join(await temporaryDirectory(), 'figures.json')
    const short = ['--records', '20000', '--rounds', '1', '--batches', '10', '--dirty', '--out', out]
    const script = [join(root, 'bench', 'table.ts'), '--only', 'million,flink,batch', ...short]
    await promisify(execFile)(process.execPath, script)
    const figures = JSON.parse(await readFile(out, 'utf8')) as Figures
    const compared = figures.flinkRows!.map(({ table, rows, different }) => [table, rows > 100, different])
    expect(compared).toEqual([
      ['silver/transactions', true, 0],
      ['fraud_detection', true, 0],
      ['aggregations/merchant', true, 0],
      ['silver/quarantine', true, 0],
    ])
    const page = await readFile(join(root, 'docs', 'guide', 'performance.md'), 'utf8')
    const written = pageWith(page, figuresTable(figures))
    expect(written).toContain('| Flink, from Kafka')
    expect(pageWith(written, 'other')).not.toContain('| Flink, from Kafka')
  })
})
