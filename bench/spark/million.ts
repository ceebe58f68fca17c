// How long do transactions take from Kafka through all tables: on Spark, in a hand-written PySpark job
// (handwritten.py says what it leaves out), and on the embedded engine? One broker, one topic, the same Spark
// settings, one after another; the start of Spark counts. Run: npx node bench/spark/million.ts [records]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installSpark } from '../../src/engines/spark/install.ts'
import { packagesDirectory } from '../../src/packages/packages.ts'
import { startBroker } from '../../test/services/broker.ts'
import { measured, type ProcessFigures } from '../measured-process.ts'

const records = Number(process.argv[2] ?? 1_000_000)
const topic = 'bench.transactions'
const memory = '3g'
const cores = 2
const root = join(import.meta.dirname, '..', '..')
const { signal } = new AbortController()
const installation = await installSpark({ directory: packagesDirectory(null), sparkHome: null, signal })
const broker = await startBroker()
const directory = await mkdtemp(join(tmpdir(), 'assay-bench-'))
const brokers = broker.bootstrapServers.join(',')

const measuredRuns: Record<string, ProcessFigures> = {}

async function timed(
  name: string,
  command: string,
  args: string[],
  more: Record<string, string>,
): Promise<void> {
  const environment = { KAFKA_BOOTSTRAP_SERVERS: brokers, KAFKA_TOPIC: topic, ...more }
  const { output, ...figures } = await measured(command, args, { environment, family: true })
  measuredRuns[name] = figures
  process.stdout.write(output)
  console.log(`${name}: ${figures.seconds.toFixed(1)} s, ${Math.round(records / figures.seconds)} records/s`)
}

function assay(name: string, args: string[], more: Record<string, string> = {}): Promise<void> {
  return timed(name, process.execPath, [join(root, 'bin', 'assay.js'), ...args], more)
}

try {
  // Its records are of the past: the usual retention would delete them.
  await broker.createTopic(topic, 4, { 'retention.ms': '-1' })
  const disorder = ['--disorder', '10%', '--duplicates', '1%', '--malformed', '1%']
  const what = [
    'produce',
    '--seed',
    '7',
    '--count',
    String(records),
    '--period',
    '2026-10-01/2026-10-02',
    ...disorder,
  ]
  await assay('produce', what)
  const once = ['run', '--once', '--finalize']
  await assay('embedded', [...once], { DELTA_BASE_PATH: join(directory, 'embedded') })
  await assay('Assay on Spark', [...once, '--engine', 'spark'], {
    DELTA_BASE_PATH: join(directory, 'spark'),
    SPARK_MASTER: `local[${cores}]`,
    SPARK_DRIVER_MEMORY: '3 GiB',
    SPARK_SHUFFLE_PARTITIONS: String(cores),
    MAX_RECORDS_PER_BATCH: String(records),
    SPARK_MAX_OFFSETS_PER_TRIGGER: String(records),
  })
  const conf = Object.entries({
    'spark.sql.extensions': 'io.delta.sql.DeltaSparkSessionExtension',
    'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.delta.catalog.DeltaCatalog',
    'spark.sql.session.timeZone': 'UTC',
    'spark.sql.shuffle.partitions': String(cores),
    'spark.databricks.delta.snapshotPartitions': '2',
    'spark.driver.host': '127.0.0.1',
    'spark.ui.enabled': 'false',
  }).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
  const submit = [
    '--master',
    `local[${cores}]`,
    '--driver-memory',
    memory,
    '--jars',
    installation.jars.join(','),
    ...conf,
  ]
  const job = [join(import.meta.dirname, 'handwritten.py'), brokers, topic, join(directory, 'handwritten')]
  await timed(
    'hand-written PySpark',
    join(installation.sparkHome, 'bin', 'spark-submit'),
    [...submit, ...job],
    {
      PYSPARK_PYTHON: installation.python ?? 'python3',
      SPARK_HOME: installation.sparkHome,
      SPARK_LOCAL_IP: '127.0.0.1',
      TZ: 'UTC',
    },
  )
  console.log(JSON.stringify(measuredRuns))
} finally {
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
}
