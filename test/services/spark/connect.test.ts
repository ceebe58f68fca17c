// The client against a real server: values, writes, errors by their class, streams, ends.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExecutePlanResponse } from '../../../src/engines/spark/connect/gen/spark/connect/spark_connect_pb.ts'
import { read, readStream, sqlRelation } from '../../../src/engines/spark/connect/relations.ts'
import { SparkSession } from '../../../src/engines/spark/connect/session.ts'
import { activeStreams, startStream } from '../../../src/engines/spark/connect/streaming.ts'
import type { LakehouseError } from '../../../src/errors/errors.ts'
import { call, interruptAll, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

/**
 * Longer than any wait here, and not for ever: Spark misses the interrupt of an execution that is only about
 * to start its job.
 */
/** Hours of work on any machine: only an end from outside ends it. */
const long = "SELECT count(*) FROM range(100000000000) WHERE sha2(CAST(id AS STRING), 256) = 'x'"

describe.skipIf(sparkAbsent !== null)('Spark Connect', () => {
  let spark: TestSpark
  let session: SparkSession
  let directory: string
  beforeAll(async () => {
    spark = await startTestSpark()
    session = spark.session
    directory = await mkdtemp(join(tmpdir(), 'assay-connect-'))
  })
  afterAll(async () => {
    await spark?.close()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  })

  const failure = async (work: Promise<unknown>): Promise<LakehouseError> =>
    (await work.then(
      () => null,
      (error: unknown) => error,
    )) as LakehouseError

  test('values of every type come back without a loss', async () => {
    const [row] = await session.rows(
      `SELECT true AS b, CAST(-128 AS TINYINT) AS tiny, CAST(-32768 AS SMALLINT) AS small, -2147483648 AS i,
        9223372036854775807L AS l, CAST('0.1' AS FLOAT) AS f, -0.0D AS d, CAST('NaN' AS DOUBLE) AS nan,
        CAST('-0.05' AS DECIMAL(18,2)) AS m, CAST('12345678901234567890123456789012345678' AS DECIMAL(38,0)) AS big,
        '\\uFEFFé😀' AS s, X'00FF' AS x, DATE'1969-12-31' AS day, TIMESTAMP'9999-12-31 23:59:59.999999' AS late,
        TIMESTAMP'0001-01-01 00:00:00.000001' AS early, array('a', NULL) AS list, CAST(array() AS ARRAY<INT>) AS none,
        named_struct('a', 1, 'b', array(named_struct('c', TIMESTAMP'1970-01-01 00:00:00.000001'))) AS deep,
        map('k', X'01') AS m2, NULL AS nothing, CAST(NULL AS DECIMAL(18,2)) AS unknown`,
      call,
    )
    expect(row).toEqual({
      b: true,
      tiny: -128,
      small: -32768,
      i: -2147483648,
      l: 9223372036854775807n,
      f: Math.fround(0.1),
      d: -0,
      nan: Number.NaN,
      m: '-0.05',
      big: '12345678901234567890123456789012345678',
      s: '\ufeffé😀',
      x: new Uint8Array([0, 255]),
      day: -1,
      late: 253402300799999999n,
      early: -62135596799999999n,
      list: ['a', null],
      none: [],
      deep: { a: 1, b: [{ c: 1n }] },
      m2: new Map([['k', new Uint8Array([1])]]),
      nothing: null,
      unknown: null,
    })
  })

  test('many rows come in their order, and none is an empty list', async () => {
    const rows = await session.rows('SELECT id FROM range(100000) ORDER BY id', call)
    expect(rows.length).toBe(100_000)
    expect(rows.every(({ id }, index) => id === BigInt(index))).toBe(true)
    expect(await session.rows('SELECT 1 AS one WHERE false', call)).toEqual([])
  })

  test('settings are set', async () => {
    const key = 'spark.sql.shuffle.partitions'
    const value = async () => (await session.rows(`SET ${key}`, call))[0]!.value
    const before = String(await value())
    await session.setConfig({ [key]: '3' }, call)
    expect(await value()).toBe('3')
    await session.setConfig({ [key]: before }, call)
  })

  test('inputs of a statement and held relations, of several statements at once', async () => {
    const numbers = sqlRelation('SELECT id AS n FROM range(4)')
    const doubled = sqlRelation('SELECT n * 2 AS n FROM numbers', { numbers })
    expect(await session.rows('SELECT sum(n) AS s FROM doubled', { ...call, inputs: { doubled } })).toEqual([
      { s: 12n },
    ])
    const held = await session.checkpoint(sqlRelation('SELECT uuid() AS u FROM range(3)'), call)
    const first = await session.rows(held.relation, call)
    expect(await session.rows(held.relation, call)).toEqual(first)
    const count = 'SELECT count(*) AS c FROM rows'
    const sums = Array.from({ length: 8 }, (_, n) => {
      const rows = sqlRelation(`SELECT * FROM held LIMIT ${n}`, {
        held: n % 2 === 0 ? held.relation : doubled,
      })
      return session.rows(count, { ...call, inputs: { rows } })
    })
    expect((await Promise.all(sums)).flat().map(({ c }) => c)).toEqual([0n, 1n, 2n, 3n, 3n, 4n, 3n, 4n])
    await held.drop(call)
    expect((await failure(session.rows(held.relation, call))).code).toBe('SPARK_EXECUTION_FAILED')
  })

  test('a write is done once, bears its metadata, and what does not fit is named', async () => {
    const path = join(directory, 'written')
    await session.run(
      `CREATE TABLE delta.\`${path}\` (n BIGINT, p STRING) USING delta PARTITIONED BY (p)`,
      call,
    )
    const rows = sqlRelation('SELECT id AS n, CAST(id % 2 AS STRING) AS p FROM range(10)')
    const write = (version: bigint) =>
      session.writeDelta(
        rows,
        {
          path,
          mode: 'append',
          partitionColumns: ['p'],
          transaction: { appId: 'test', version },
          userMetadata: `write ${version}`,
        },
        call,
      )
    for (const version of [1n, 2n, 2n, 1n]) await write(version)
    const table = read({ format: 'delta', path })
    expect(await session.rows('SELECT count(*) AS c FROM t', { ...call, inputs: { t: table } })).toEqual([
      { c: 20n },
    ])
    const history = await session.rows(`DESCRIBE HISTORY delta.\`${path}\``, call)
    expect(history.map((commit) => commit.userMetadata)).toEqual(['write 2', 'write 1', null])
    const other = session.writeDelta(sqlRelation('SELECT 1 AS other'), { path, mode: 'append' }, call)
    expect((await failure(other)).code).toBe('DELTA_SCHEMA_MISMATCH')
  })

  test.each([
    ['SELEC 1', 'SPARK_SQL_REFUSED', 'PARSE_SYNTAX_ERROR'],
    ['SELECT nothing FROM range(1)', 'SPARK_SQL_REFUSED', 'UNRESOLVED_COLUMN.WITH_SUGGESTION'],
    ["SELECT CAST(concat('x', id) AS INT) FROM range(3)", 'SPARK_SQL_REFUSED', 'CAST_INVALID_INPUT'],
    ['SELECT 1 / (id - 1) FROM range(3)', 'SPARK_SQL_REFUSED', 'DIVIDE_BY_ZERO'],
    ["SELECT raise_error('two\nlines') FROM range(3)", 'SPARK_EXECUTION_FAILED', 'USER_RAISED_EXCEPTION'],
    ['SELECT * FROM nosource.`/x`', 'SPARK_SQL_REFUSED', 'TABLE_OR_VIEW_NOT_FOUND'],
  ])('%s fails with %s by its class', async (statement, code, errorClass) => {
    const error = await failure(session.rows(statement, call))
    expect(error).toMatchObject({ code, details: { errorClass } })
    expect(error.message).toContain(errorClass)
    expect(error.message.split('\n')).toHaveLength(1)
  })

  test('an exception without a class is told at once, with its name', async () => {
    const startedMs = performance.now()
    const error = await failure(session.rows("SELECT reflect('java.lang.Integer', 'parseInt', 'x')", call))
    expect(error).toMatchObject({ code: 'SPARK_EXECUTION_FAILED' })
    expect(performance.now() - startedMs).toBeLessThan(60_000)
  })

  test('a missing source is a missing jar', async () => {
    const error = await failure(session.rows(read({ format: 'no_such_source' }), call))
    expect(error.code).toBe('SPARK_JARS_MISSING')
  })

  test('nobody there, and a wrong token', async () => {
    const nobody = new SparkSession('sc://127.0.0.1:1')
    const stranger = new SparkSession(spark.address.replace(/token=[^;]*/, 'token=wrong'))
    try {
      expect(await failure(nobody.version(call))).toMatchObject({
        code: 'SPARK_UNREACHABLE',
        policy: { retry: 'wait' },
      })
      expect((await failure(stranger.version(call))).code).toBe('SPARK_AUTHENTICATION_FAILED')
    } finally {
      nobody.close()
      stranger.close()
    }
  })

  test('an abort gives its own reason, and the server stops the work', async () => {
    const reason = new Error('enough')
    const abort = new AbortController()
    const options = { ...call, signal: abort.signal }
    // After the schema come reports, every two seconds.
    let reports = 0
    const onResponse = ({ schema }: ExecutePlanResponse) => {
      if (schema === undefined) reports += 1
      if (reports === 4) abort.abort(reason)
    }
    const work = session.channel.execute(sqlRelation(long), onResponse, options)
    expect(await failure(work)).toBe(reason)
    expect(await interruptAll(session)).toEqual([])
    expect(await failure(session.rows('SELECT 1', { ...call, signal: abort.signal }))).toBe(reason)
  })

  test('a deadline ends the wait and the work', async () => {
    const error = await failure(session.rows(long, { ...call, timeoutMs: 10_000 }))
    expect(error).toMatchObject({ code: 'SPARK_TIMEOUT', policy: { retry: 'backoff' } })
    expect(await interruptAll(session)).toEqual([])
  })

  test('a stream is found again by its name, tells its progress and stops', async () => {
    const [from, to] = [join(directory, 'from'), join(directory, 'to')]
    await session.writeDelta(sqlRelation('SELECT id FROM range(5)'), { path: from, mode: 'append' }, call)
    await session.run(`CREATE TABLE delta.\`${to}\` (id BIGINT) USING delta`, call)
    const start = (name: string, sql: string, checkpoint: string) =>
      startStream(
        session,
        {
          name,
          input: sqlRelation(sql, { source: readStream({ format: 'delta', path: from }) }),
          format: 'delta',
          path: to,
          checkpointLocation: join(directory, checkpoint),
          trigger: { kind: 'every', ms: 100 },
        },
        call,
      )
    const query = await start('copy', 'SELECT id FROM source', 'one')
    const written = { ...call, inputs: { t: read({ format: 'delta', path: to }) } }
    const copied = async () => (await session.rows('SELECT count(*) AS c FROM t', written))[0]!.c
    await expect.poll(copied, { timeout: 60_000 }).toBe(5n)
    const again = new SparkSession({ ...session.channel.address, sessionId: session.id })
    const [found] = await activeStreams(again, call)
    expect(found).toMatchObject({ name: 'copy', instance: { id: query.instance.id } })
    // Where a source is, is JSON within JSON.
    const sources = [{ endOffset: expect.stringContaining('"reservoirVersion"') }]
    expect(await found!.lastProgress(call)).toMatchObject({ name: 'copy', sources })
    expect(await query.awaitEnd(100, call)).toBe(false)
    await found!.stop(call)
    again.close()
    expect(await query.awaitEnd(60_000, call)).toBe(true)
    expect(await query.failure(call)).toBeNull()
    const count = { ...call, inputs: { t: read({ format: 'delta', path: to }) } }
    expect(await session.rows('SELECT count(*) AS c FROM t', count)).toEqual([{ c: 5n }])

    const bad = await start('bad', "SELECT CAST(concat('x', id) AS BIGINT) AS id FROM source", 'two')
    const ended = failure(bad.awaitEnd(120_000, call))
    const refused = { code: 'SPARK_SQL_REFUSED', details: { errorClass: 'CAST_INVALID_INPUT' } }
    expect(await ended).toMatchObject(refused)
    expect(await bad.failure(call)).toMatchObject(refused)
    expect((await bad.failure(call))?.message).toMatch(/^The streaming query bad failed: /)
    expect(await activeStreams(session, call)).toEqual([])
  })

  test('a released session is lost, with its views, and says so', async () => {
    const own = new SparkSession(spark.address)
    await own.run('CREATE TEMP VIEW mine AS SELECT 1 AS one', call)
    await own.release(call)
    const error = await failure(own.rows('SELECT * FROM mine', call))
    expect(error).toMatchObject({ code: 'SPARK_SESSION_LOST', policy: { retry: 'backoff' } })
    own.close()
  })
})
