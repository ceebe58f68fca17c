// A standalone Spark cluster on this machine, as `spark://` names one: a master and one worker with one core.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installSpark } from '../../../src/engines/spark/install.ts'
import { cacheDirectory } from '../tools.ts'
import { call } from './harness.ts'

const startMsMax = 120_000
const stopMsMax = 30_000

export type StandaloneCluster = {
  /** As SPARK_MASTER names it. */
  readonly master: string
  stop(): Promise<void>
}

export async function startStandaloneCluster(): Promise<StandaloneCluster> {
  const { signal } = call
  const { sparkHome } = await installSpark({ directory: cacheDirectory, sparkHome: null, signal })
  const directory = await mkdtemp(join(tmpdir(), 'assay-cluster-'))
  const environment = {
    SPARK_HOME: sparkHome,
    SPARK_LOCAL_DIRS: join(directory, 'scratch'),
    SPARK_DAEMON_MEMORY: '256m',
    SPARK_DAEMON_JAVA_OPTS: '-XX:+UseSerialGC -XX:TieredStopAtLevel=1',
  }
  const started: ChildProcess[] = []
  const stop = async () => {
    for (const child of started.toReversed()) await end(child)
    await rm(directory, { recursive: true, force: true })
  }
  const start = async (main: string, args: readonly string[], says: RegExp): Promise<string> => {
    // Whoever is asked for port 0 takes a free one.
    const address = ['--host', '127.0.0.1', '--port', '0', '--webui-port', '0']
    // It becomes the JVM itself, so the process is the one to end.
    const child = spawn(
      join(sparkHome, 'bin', 'spark-class'),
      [`org.apache.spark.deploy.${main}`, ...address, ...args],
      { cwd: directory, env: { ...process.env, ...environment }, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    started.push(child)
    return await said(child, says)
  }
  try {
    const master = await start('master.Master', [], /Starting Spark master at (\S+)/)
    const size = ['--cores', '1', '--memory', '1g', '--work-dir', join(directory, 'work')]
    await start('worker.Worker', [...size, master], /Successfully registered with master (\S+)/)
    return { master, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What the process says in its log; the rest of the log is read and dropped. */
async function said(child: ChildProcess, pattern: RegExp): Promise<string> {
  // It must not outlive a test process that ends without calling stop().
  const endWithParent = () => child.kill('SIGKILL')
  process.once('exit', endWithParent)
  child.once('exit', () => process.removeListener('exit', endWithParent))
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let log = ''
  const listen = (text: string) => {
    log += text
    const found = pattern.exec(log)?.[1]
    if (found === undefined) return
    child.stderr!.off('data', listen).resume()
    resolve(found)
  }
  const fail = () => reject(new Error(`Spark's cluster did not start:\n${log.slice(-4000)}`))
  child.stderr!.setEncoding('utf8').on('data', listen)
  child.once('exit', fail).once('error', fail)
  const limit = setTimeout(fail, startMsMax)
  return await promise.finally(() => clearTimeout(limit))
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const forced = setTimeout(() => child.kill('SIGKILL'), stopMsMax)
  await exited
  clearTimeout(forced)
}
