// Tables in a real object store: writers and the server are killed, answers get lost, two writers race, and
// another program reads and appends meanwhile. The long form: npm run test:object-store.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { backUp, restoreBackup } from '../../../src/engines/backup.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { demandConditions } from '../../../src/objects/conditional.ts'
import { differences } from '../../compare/differences.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { runChild, startChild, untilStopped } from '../../crash/processes.ts'
import { lines } from '../../generate/lines.ts'
import { randomOf } from '../../generate/random.ts'
import { column } from '../../unit/delta/workshop.ts'
import { noonOf, valuesOf, verifiedChecks } from '../../unit/engine/kept-days.ts'
import { newLakehouse, runOnce } from '../../unit/engine/pipeline.ts'
import { mounted, type ObjectServer, startObjectServer, startStoreProxy } from '../object-store.ts'
import { PythonProcess } from '../python.ts'
import { judged, killInStore, writeInput } from '../store-kills.ts'
import { deltaReaders, goAvailable, pythonAvailable, pythonEnvironment } from '../tools.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const what = `repeat with SEED=${seed}`
const random = randomOf(seed)
const sample = (count: number) => fc.sample(lines(count, count), { seed, numRuns: 1 })[0]!

describe.skipIf(goAvailable !== null)('tables in a real object store', () => {
  let server: ObjectServer
  beforeAll(async () => {
    server = await startObjectServer()
  })
  afterAll(() => server?.close())

  test('are what the oracle computes, although processes and the server are killed', async () => {
    const environment = server.environment('kills')
    const plan = { server, environment, random, kills: 3, serverKills: 1, values: sample(120) }
    expect(await killInStore(plan), what).toEqual([])
  })

  test('are the same where answers get lost after the server acted, or it asks for fewer requests', async () => {
    const faults = { random, lost: 0.04, refused: 0.04, late: 0.02 }
    const proxy = await startStoreProxy(server.port, faults)
    try {
      const environment = server.environment('lost', proxy.port)
      const plan = { server, environment, random, kills: 1, serverKills: 0, values: sample(80) }
      expect(await killInStore(plan), what).toEqual([])
      expect(proxy.counts.lost, JSON.stringify(proxy.counts)).toBeGreaterThan(0)
    } finally {
      await proxy.close()
    }
  })

  test('a writer that was paused until another took over is fenced', async () => {
    const environment = server.environment('racing')
    const base = environment.DELTA_BASE_PATH!
    const directory = await mkdtemp(join(tmpdir(), 'assay-racing-'))
    const [input, values] = [join(directory, 'input.ndjson'), sample(80)]
    try {
      await writeInput(input, values)
      const plan = { base, input, recordsPerBatchMax: 20, finalize: true, leaseMs: 1_000 }
      const at = { step: 'commit prepared', occurrence: 25, signal: 'SIGSTOP' } as const
      const first = await untilStopped(startChild({ ...plan, at }, environment))
      expect((await runChild({ ...plan, at: null }, environment)).code, what).toBe(null)
      first.process.kill('SIGCONT')
      expect((await first.ended).code, what).toBe('WRITER_FENCED')
      expect(await judged({ environment, values }), what).toEqual([])
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  test('both conditions of a PUT are honoured', async () => {
    const here = await mounted(server.environment('probe'))
    try {
      await demandConditions(here.mount.store, '')
      expect(await here.mount.store.names('')).toEqual([])
    } finally {
      await here.remove()
    }
  })

  test('a lakehouse moves from a disk to the store and back, and goes on from each place', async () => {
    const disk = await newLakehouse()
    const [copy, moved] = await Promise.all(['copy', 'moved'].map((at) => mounted(server.environment(at))))
    try {
      const { signal } = new AbortController()
      const copying = (deltaBasePath: string, backupPath: string) => ({
        ...{ lakehouse: standardLakehouse, deltaBasePath, backupPath, signal },
      })
      const run = async (base: string, days: number): Promise<void> => {
        await writeFile(
          disk.input,
          valuesOf(days)
            .flatMap((value) => [value.toString(), '\n'])
            .join(''),
        )
        const of = { base, input: disk.input, remove: async () => undefined }
        await runOnce(of, { recordsPerBatchMax: 12, clock: () => noonOf(3) })
      }
      await run(disk.base, 1)
      await backUp(copying(disk.base, copy!.base))
      await restoreBackup(copying(moved!.base, copy!.base))
      await run(moved!.base, 2)
      const [back, restored] = ['back', 'restored'].map((at) => join(disk.base, '..', at)) as [string, string]
      // A copy in the store is brought up to what is there now, and one on the disk is begun.
      expect((await backUp(copying(moved!.base, copy!.base))).copied.files).toBeGreaterThan(0)
      await backUp(copying(moved!.base, back))
      await restoreBackup(copying(restored, back))
      for (const base of [restored, disk.base]) await run(base, 3)
      expect(differences(await readTables(restored), await readTables(disk.base))).toEqual([])
      expect((await verifiedChecks(restored)).filter(({ ok }) => !ok)).toEqual([])
    } finally {
      await Promise.all([copy?.remove(), moved?.remove(), disk.remove()])
    }
  })

  test.skipIf(pythonAvailable !== null)('delta-rs reads and appends while we append', async () => {
    const environment = server.environment('foreign')
    const here = await mounted(environment)
    const python = new PythonProcess(await pythonEnvironment('delta-rs', deltaReaders), {
      ...environment,
      AWS_ALLOW_HTTP: 'true',
      AWS_CONDITIONAL_PUT: 'etag',
    })
    try {
      const definition = { fields: [column('n', 'long')], partitionColumns: [] }
      const table = await DeltaTable.createOrEvolve(join(here.mount.root, 'shared'), definition)
      const commits = 12
      const theirs = python.run(appending, { path: `${here.base}/shared`, commits })
      for (let n = 1; n <= commits; n++) {
        await table.appendRows([{ n: BigInt(n) }], { appId: 'ours', version: BigInt(n) })
      }
      const seen = await theirs
      expect(seen.rows).toBe(2 * commits)
      expect(seen.sum).toBe(commits * (commits + 1))
      const { version, numRecords } = await table.snapshot()
      expect([version, numRecords]).toEqual([BigInt(2 * commits), BigInt(2 * commits)])
    } finally {
      await python.close()
      await here.remove()
    }
  })
})

/** Its own commits first, then it reads until all are there. */
const appending = `
import time, pyarrow as pa
from deltalake import DeltaTable, write_deltalake
for n in range(1, inputs["commits"] + 1):
    write_deltalake(inputs["path"], pa.table({"n": pa.array([n], pa.int64())}), mode="append")
end = time.time() + 120
while True:
    table = DeltaTable(inputs["path"]).to_pyarrow_table()
    if table.num_rows >= 2 * inputs["commits"] or time.time() > end:
        break
    time.sleep(0.2)
result = {"rows": table.num_rows, "sum": sum(table["n"].to_pylist())}
`
