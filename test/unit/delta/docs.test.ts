import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Workshop } from './workshop.ts'

let workshop: Workshop
beforeEach(async () => {
  workshop = await Workshop.open()
})
afterEach(() => workshop.close())

test('the example of docs/reference/delta.md prints what it says', async () => {
  const page = await readFile(new URL('../../../docs/reference/delta.md', import.meta.url), 'utf8')
  const example = /```ts\n(.*?)```/s.exec(page)?.[1] ?? ''
  const script = workshop.path('example.ts')
  const code = example
    .replace(
      "'assay-lakehouse/delta'",
      JSON.stringify(new URL('../../../src/delta/index.ts', import.meta.url).href),
    )
    .replace("'@duckdb/node-api'", JSON.stringify(import.meta.resolve('@duckdb/node-api')))
    .replace('/tmp/delta-example', workshop.directory)
  await writeFile(script, code)
  const run = async () => (await promisify(execFile)(process.execPath, [script])).stdout.split('\n')
  expect(await run()).toEqual(['committed', "[ { n: 5, total: '43.75' } ]", ''])
  expect(await run()).toEqual(['skipped', "[ { n: 5, total: '43.75' } ]", ''])
})
