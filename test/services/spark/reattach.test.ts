// The client over connections that break: what the server does is done once, and its answers come each once.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ChannelOptions } from '../../../src/engines/spark/connect/channel.ts'
import { sqlRelation } from '../../../src/engines/spark/connect/relations.ts'
import { SparkSession } from '../../../src/engines/spark/connect/session.ts'
import { startTcpProxy, type TcpProxy } from '../tcp-proxy.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

/** Some seconds of work, in whose course the server tells every two seconds how far it is. */
const workRows = 4_000_000
const work = `SELECT count_if(sha2(CAST(id AS STRING), 256) LIKE '00%') AS n, count(*) AS all FROM range(${workRows})`

describe.skipIf(sparkAbsent !== null)('a connection to Spark that breaks', () => {
  let spark: TestSpark
  let directory: string
  let proxy: TcpProxy
  let session: SparkSession
  beforeAll(async () => {
    spark = await startTestSpark({ compilesStages: true })
    directory = await mkdtemp(join(tmpdir(), 'assay-reattach-'))
  })
  beforeEach(async () => {
    proxy = await startTcpProxy(spark.session.channel.address.host, spark.session.channel.address.port)
    await open()
  })
  afterEach(async () => {
    session?.close()
    await proxy?.close()
  })
  afterAll(async () => {
    await spark?.close()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  })

  async function open(options: ChannelOptions = {}): Promise<void> {
    session?.close()
    const address = { ...spark.session.channel.address, port: proxy.port, host: '127.0.0.1' }
    session = new SparkSession(address, options)
    await session.version(call)
  }

  /** Runs the work, and calls `disturb` when each of its first answers has come. */
  async function disturbed(times: number, disturb: () => void): Promise<void> {
    let answers = 0
    const relation = sqlRelation(work)
    let rows = 0
    await session.channel.execute(
      relation,
      ({ responseType }) => {
        answers += 1
        if (responseType.case === 'arrowBatch') rows += Number(responseType.value.rowCount)
        else if (answers <= times) disturb()
      },
      call,
    )
    expect(rows).toBe(1)
  }

  test('that is closed, or reset, in the middle of a plan is made again, and the plan goes on', async () => {
    for (const hard of [false, true]) {
      const before = proxy.accepted()
      await disturbed(1, () => proxy.cut(hard))
      expect(proxy.accepted() - before).toBeGreaterThanOrEqual(1)
    }
  })

  test('that is closed because it is idle does not restart a long plan', async () => {
    proxy.idleMsMax(300)
    proxy.cut()
    const before = proxy.accepted()
    const started = performance.now()
    const [row] = await session.rows(work, call)
    expect(row).toMatchObject({ all: BigInt(workRows) })
    expect(proxy.accepted() - before).toBeGreaterThanOrEqual(2)
    // Between calls too.
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(await session.version(call)).toMatch(/^4\./)
    expect(performance.now() - started).toBeGreaterThan(700)
  })

  test('that carries nothing any more, and is never closed, is given up after a time', async () => {
    await open({ silenceMsMax: 4_000 })
    const before = proxy.accepted()
    await disturbed(1, () => proxy.mute())
    expect(proxy.accepted() - before).toBeGreaterThanOrEqual(1)
  })

  test('a write is done once, however often its connection breaks', async () => {
    const path = join(directory, 'written')
    await session.run(`CREATE TABLE delta.\`${path}\` (id BIGINT) USING delta`, call)
    const rows = sqlRelation("SELECT id FROM range(3000000) WHERE sha2(CAST(id AS STRING), 256) LIKE '0%'")
    const cutting = setInterval(() => proxy.cut(), 500)
    try {
      await session.writeDelta(rows, { path, mode: 'append' }, call)
    } finally {
      clearInterval(cutting)
    }
    expect(proxy.accepted()).toBeGreaterThan(2)
    const history = await session.rows(`DESCRIBE HISTORY delta.\`${path}\``, call)
    expect(history.filter(({ operation }) => operation === 'WRITE')).toHaveLength(1)
  })

  test('answers that were cut in two come each once and whole', async () => {
    proxy.cutAfter(3 * 1024 * 1024)
    proxy.cut()
    const before = proxy.accepted()
    const rows = await session.rows(
      'SELECT id, sha2(CAST(id AS STRING), 256) AS text FROM range(200000)',
      call,
    )
    expect(proxy.accepted() - before).toBeGreaterThan(2)
    expect(rows.length).toBe(200_000)
    expect(new Set(rows.map(({ id }) => id)).size).toBe(200_000)
  })

  test('to a server that has ended fails at once', async () => {
    const gone = new AbortController()
    await open({ gone: gone.signal })
    const running = session.rows(work, call)
    setImmediate(() => gone.abort())
    await expect(running).rejects.toMatchObject({ code: 'SPARK_SESSION_LOST' })
  })
})
