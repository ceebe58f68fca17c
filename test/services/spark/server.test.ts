// A server of one's own: it answers, it stops, it does not outlive whoever started it, and says why it did
// not start.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { openCluster } from '../../../src/engines/spark/cluster.ts'
import { SparkSession } from '../../../src/engines/spark/connect/session.ts'
import type { LakehouseError } from '../../../src/errors/errors.ts'
import { addressText, call, sparkAbsent, startTestServer } from './harness.ts'

const goneMsMax = 60_000
const pollMs = 200

describe.skipIf(sparkAbsent !== null)('a server that Assay starts', () => {
  test('answers, hides its token, and leaves nothing behind when it is stopped', async () => {
    const server = await startTestServer()
    const session = new SparkSession(addressText(server))
    try {
      expect(await session.rows('SELECT 1 AS one', call)).toEqual([{ one: 1 }])
      const commands = server.pid > 0 ? readFileSync(`/proc/${server.pid}/cmdline`, 'utf8') : ''
      expect(commands).not.toContain(server.address.token)
    } finally {
      session.close()
      await server.stop()
    }
    expect(existsSync(dirname(server.logFile))).toBe(false)
    await expect(new SparkSession(addressText(server)).version(call)).rejects.toMatchObject({
      code: 'SPARK_UNREACHABLE',
    })
  })

  test('one that does not read texts as UTF-8 is refused', async () => {
    const server = await startTestServer({ 'spark.driver.defaultJavaOptions': '-Dfile.encoding=US-ASCII' })
    const settings = { server: server.address, shufflePartitions: 2 }
    try {
      const refused = openCluster(settings, 'encoding', call.signal)
      await expect(refused).rejects.toMatchObject({ code: 'SPARK_NOT_UTF8' })
    } finally {
      await server.stop()
    }
  })

  test('does not outlive a killed parent', async () => {
    const parent = startParent()
    const [line] = (await once(createInterface({ input: parent.stdout! }), 'line')) as [string]
    const { address, log } = JSON.parse(line) as { address: string; log: string }
    const session = new SparkSession(address)
    try {
      await session.version(call)
      parent.kill('SIGKILL')
      const deadline = Date.now() + goneMsMax
      const answers = () =>
        session.version(call).then(
          () => true,
          () => false,
        )
      while (await answers()) {
        expect(Date.now(), 'the server still answers').toBeLessThan(deadline)
        await sleep(pollMs)
      }
    } finally {
      session.close()
      await rm(dirname(log), { recursive: true, force: true })
    }
  })

  test('a start that fails ends with the log of the server', async () => {
    const failure = (await startTestServer({ 'spark.driver.memory': '1k' }).catch(
      (error) => error,
    )) as LakehouseError
    expect(failure.code).toBe('SPARK_NOT_STARTED')
    expect(failure.message).toMatch(/local\[2\].*its log \(.*\) ends:\n.*maximum heap/is)
    const log = /\((\/.*server\.log)\)/.exec(failure.message)![1]!
    expect(existsSync(log)).toBe(true)
    await rm(dirname(log), { recursive: true, force: true })
  })
})

/** A process that starts a server, tells its address in one line, and waits. */
function startParent(): ChildProcess {
  const harness = join(import.meta.dirname, 'harness.ts')
  const code =
    `const { startTestServer, addressText } = await import(${JSON.stringify(harness)})\n` +
    'const server = await startTestServer()\n' +
    'console.log(JSON.stringify({ address: addressText(server), log: server.logFile }))\n' +
    'setInterval(() => {}, 1000)'
  return spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
