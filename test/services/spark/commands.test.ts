// assay check and assay explain with a Spark server.
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { check } from '../../../src/cli/check.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { type SmallLakehouse, smallLakehouse } from '../../unit/cli/small-lakehouse.ts'
import { sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

const run = promisify(execFile)
const command = join(import.meta.dirname, '../../../bin/assay.js')

describe.skipIf(sparkAbsent !== null)('with ENGINE=spark', () => {
  let server: TestSpark
  let lakehouse: SmallLakehouse
  beforeAll(async () => {
    ;[server, lakehouse] = await Promise.all([startTestSpark(), smallLakehouse()])
  })
  afterAll(() => Promise.all([server?.close(), lakehouse?.remove()]))

  const environment = (master: string) => ({
    ENGINE: 'spark',
    SPARK_MASTER: master,
    DELTA_BASE_PATH: lakehouse.config.deltaBasePath,
    KAFKA_BOOTSTRAP_SERVERS: 'localhost:1',
  })

  async function lines(master: string): Promise<string[]> {
    const written: string[] = []
    const load = () =>
      loadConfig(standardLakehouse, environment(master), join(lakehouse.config.deltaBasePath, 'absent'))
    await check((line) => void written.push(line), load)
    return written.filter((line) => / engine /.test(line)).map((line) => line.replaceAll(/\s+/g, ' ').trim())
  }

  test('check tells the version, the jars and that tables are shared, and leaves nothing behind', async () => {
    const before = readdirSync(lakehouse.config.deltaBasePath).sort()
    expect(await lines(server.address)).toEqual([
      'ok engine Spark 4.1.1',
      'ok engine Spark has the Kafka connector',
      'ok engine Spark writes Delta tables that are read here',
    ])
    expect(readdirSync(lakehouse.config.deltaBasePath).sort()).toEqual(before)
  })

  test('check says what to do where nobody answers, and does not tell the token', async () => {
    const [line, ...rest] = await lines('sc://127.0.0.1:1/;token=hidden')
    expect(rest).toEqual([])
    expect(line).toMatch(/^FAIL engine .*127\.0\.0\.1:1 .*SPARK_MASTER/)
    expect(line).not.toContain('hidden')
  })

  test('explain shows the plan that Spark makes over the table', async () => {
    const args = [command, 'explain', 'silver.transactions', '--spark-plan']
    const { stdout } = await run(process.execPath, args, {
      env: { ...process.env, ...environment(server.address) },
      maxBuffer: 16 * 2 ** 20,
    })
    expect(stdout).toMatch(/== Physical Plan ==/)
    expect(stdout).toContain(`${lakehouse.config.deltaBasePath}/bronze/transactions`)
  })
})
