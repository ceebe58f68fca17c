import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type EngineEvent, listener, tellAll } from '../../../src/engines/events.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { lines } from '../../generate/lines.ts'
import { type Lakehouse, newLakehouse, runOnce, writeInput } from './pipeline.ts'

const seed = 7
const [values] = fc.sample(lines(120, 120), { seed, numRuns: 1 })
let lakehouse: Lakehouse

beforeEach(async () => {
  console.info(`seed ${seed}`)
  lakehouse = await newLakehouse()
  await writeInput(lakehouse, values!)
})
afterEach(() => lakehouse.remove())

test('a run tells of its tables, of the phases and commits of each batch, and of the batch at its end', async () => {
  const events: EngineEvent[] = []
  const reports = await runOnce(lakehouse, { recordsPerBatchMax: 40, onEvent: (event) => events.push(event) })
  expect(reports).toHaveLength(3)
  const of = <Kind extends EngineEvent['kind']>(kind: Kind) =>
    events.filter((event): event is Extract<EngineEvent, { kind: Kind }> => event.kind === kind)
  const [opened] = of('opened')
  const figures = new Map(opened!.tables.map(({ definition, delta }) => [definition.path, delta.figures()]))
  expect([...figures.keys()]).toEqual([
    ...standardLakehouse.tables.map(({ path }) => path),
    'ops/batches',
    'ops/files',
  ])
  for (const { report, recorded } of of('batch')) {
    const phases = of('phase').filter(({ batch }) => batch === report.batch)
    expect(phases.map(({ phase }) => phase)).toEqual(
      expect.arrayContaining(['fetch', 'judge', 'write', 'commit', 'state']),
    )
    const commits = of('committed').filter(({ batch }) => batch === report.batch)
    for (const { table, rows } of commits) expect(rows, table).toBe(report.rowsByTable[table])
    expect(commits.map(({ table }) => table)).toContain('silver/transactions')
    expect(recorded.progress.batch).toBe(report.batch)
  }
  // What is told of a table is what it has by now.
  const silver = figures.get('silver/transactions')!
  const now = opened!.tables
    .find(({ definition }) => definition.path === 'silver/transactions')!
    .delta.figures()
  const rows = reports.reduce((sum, report) => sum + report.silverRows, 0)
  expect(now).toMatchObject({ rows, files: expect.any(Number) })
  expect(now.version).toBeGreaterThanOrEqual(silver.version)
  expect(opened!.state().rows).toBeGreaterThan(0)
})

test('a listener that fails harms no batch and no other listener, and is told of once', async () => {
  const seen: EngineEvent['kind'][] = []
  const codes: string[] = []
  const listeners = tellAll([
    () => {
      throw new Error('no room on the screen')
    },
    async () => {
      throw new Error('nobody there')
    },
    (event) => void seen.push(event.kind),
    listener({ notice: ({ code }) => void codes.push(code) }),
  ])
  const reports = await runOnce(lakehouse, { recordsPerBatchMax: 40, onEvent: listeners })
  expect(reports).toHaveLength(3)
  expect(seen.filter((kind) => kind === 'batch')).toHaveLength(3)
  expect(codes).toEqual(['LISTENER_FAILED', 'LISTENER_FAILED'])
})

test('an engine itself goes on where its one listener fails', async () => {
  const onBatch = () => {
    throw new Error('no room on the screen')
  }
  const codes: string[] = []
  await runOnce(lakehouse, { recordsPerBatchMax: 40, onBatch, onNotice: ({ code }) => void codes.push(code) })
  expect(codes).toEqual(['LISTENER_FAILED'])
})
