// What the pages say of queries is so: examples run, and columns have the types that the tables page names.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { query } from '../../../src/cli/query.ts'
import { openTable } from '../../../src/ops/tables.ts'
import { openReview } from '../../../src/review/open-review.ts'
import { runCommand } from '../project/command.ts'
import { type SmallLakehouse, smallLakehouse } from './small-lakehouse.ts'

const root = dirname(dirname(dirname(import.meta.dirname)))
const pages = ['README.md', ...pagesBelow('docs/guide'), ...pagesBelow('docs/reference')]
const examples = pages.flatMap((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^ {4}.*assay query.*? "([^"]+)"/gm)].map(
    (found) => [page, found[1]!] as const,
  ),
)

function pagesBelow(folder: string): string[] {
  return readdirSync(join(root, folder)).map((name) => `${folder}/${name}`)
}

let lakehouse: SmallLakehouse
beforeAll(async () => {
  lakehouse = await smallLakehouse()
  const { config } = lakehouse
  for (const table of config.lakehouse.tables) await openTable(config.deltaBasePath, table)
  const desk = await openReview(config)
  for (const { place } of (await desk!.view('ann', 'score')).cases) {
    await desk!.decide('ann', place, { verdict: 'fraud', reason: null, note: null })
  }
  await desk!.close()
})
afterAll(() => lakehouse.remove())

async function csv(sql: string): Promise<string> {
  const stream = new PassThrough()
  const written = text(stream)
  await query(lakehouse.config, sql, 'csv', stream)
  stream.end()
  return written
}

test.each(examples)('%s: %s', async (_, sql) => {
  // A lakehouse without a registry has no schemas: of this table the name alone is known here.
  const rows = csv(sql).catch((error) => {
    if (error.message.startsWith('ops.schemas: not written')) return '\n'
    throw error
  })
  expect((await rows).split('\n').length).toBeGreaterThan(1)
})

/** Pages that say by which commands their queries find rows. */
const withTables = pages.flatMap((page) => {
  const text = readFileSync(join(root, page), 'utf8')
  const made = [...text.matchAll(/^ {4}npx assay ((?:produce --to|run --once) .*)$/gm)].map(
    ([, line]) => line!,
  )
  const asked = examples.filter(([of]) => of === page).map(([, sql]) => sql)
  return page.startsWith('docs/guide/') && made.length === 2 && asked.length > 0
    ? [{ page, made, asked }]
    : []
})

describe('queries behind the commands of their page find rows', () => {
  const directory = mkdtempSync(join(tmpdir(), 'assay-doc-rows-'))
  const environment = { DELTA_BASE_PATH: join(directory, 'lakehouse') }
  const assay = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCommand(directory, args, environment)
    expect(code, stderr).toBe(0)
    return stdout
  }
  beforeAll(async () => {
    expect(new Set(withTables.map(({ made }) => made.join())).size).toBe(1)
    for (const line of withTables[0]!.made) await assay(...line.split(' '))
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test.each(withTables)('$page', async ({ asked }) => {
    for (const sql of asked)
      expect((await assay('query', '--csv', sql)).split('\n').length, sql).toBeGreaterThan(2)
  })
})

test('the pages have examples', () => {
  expect(examples.length).toBeGreaterThanOrEqual(4)
})

test.each(['bronze.transactions', 'silver.transactions', 'silver.quarantine', 'fraud_detection'])(
  'the columns of %s have the types that docs/reference/tables.md names',
  async (name) => {
    const page = readFileSync(join(root, 'docs/reference/tables.md'), 'utf8')
    const chapter = page.split('\n## ').find((part) => part.startsWith(`${name}\n`))!
    const documented = [...chapter.matchAll(/^\| (\w+) \| ([^|]+) \|/gm)].map((found) => [found[1], found[2]])
    const sql = `select column_name, column_type from (describe ${name})`
    const described = (await csv(sql)).trimEnd().split('\n').slice(1)
    const unquoted = described.map((line) => line.replaceAll('""', '"').replace(/^(\w+),"(.*)"$/, '$1,$2'))
    expect(unquoted).toEqual(documented.slice(1).map((cells) => cells.join(',')))
  },
)
