// With a master of a cluster: the driver is the server that Assay starts, the work is done in another
// process.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { topicLines } from '../../generate/lines.ts'
import { openJavaConsumer } from '../kafka/java-consumer.ts'
import { openJavaProducer } from '../kafka/java-producer.ts'
import { temporaryDirectory } from '../pipeline/assay.ts'
import { recordsOfLines, settingsFor, unevenPartition } from '../pipeline/lakehouse.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { fewTables } from './few-tables/assay.config.ts'
import { smallServer, sparkAbsent } from './harness.ts'
import { expectFewRight, runFew } from './lakehouse.ts'
import { sparkSettings } from './server-kill.ts'
import { type StandaloneCluster, startStandaloneCluster } from './standalone.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const topic = 'standalone'
const quickExecutor = `spark.executor.extraJavaOptions=${smallServer['spark.driver.extraJavaOptions']}`
let broker: SharedBroker
let cluster: StandaloneCluster

describe.skipIf(sparkAbsent !== null)(`a standalone cluster (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    ;[broker, cluster] = await Promise.all([sharedBroker(), startStandaloneCluster()])
  })
  afterAll(async () => {
    await cluster?.stop()
    await broker?.leave()
  })

  test('all tables are filled by an executor of one core and 1 GiB', async () => {
    await broker.createTopic(topic, 2)
    const [lines] = fc.sample(topicLines(120, 8), { seed, numRuns: 1 })
    const producer = await openJavaProducer(broker.bootstrapServers)
    for (const record of recordsOfLines(topic, lines!, (_, index) => unevenPartition(index, 2)))
      producer.send(record)
    await producer.command('flush')
    await producer.close()
    const settings = settingsFor(broker.bootstrapServers, topic, await temporaryDirectory(), {
      ENGINE: 'spark',
      ...sparkSettings,
      SPARK_MASTER: cluster.master,
      SPARK_EXECUTOR_MEMORY: '1 GiB',
      SPARK_EXECUTOR_CORES: '1',
      SPARK_SHUFFLE_PARTITIONS: '2',
      SPARK_SETTINGS: `${sparkSettings.SPARK_SETTINGS};spark.driver.host=127.0.0.1;${quickExecutor}`,
    })
    await runFew(['run', '--once', '--finalize'], settings)
    const consumer = await openJavaConsumer(broker.bootstrapServers)
    const tables = await expectFewRight(settings, await consumer.read(topic))
    await consumer.close()
    const filled = Object.entries(tables).filter(([, rows]) => rows.length > 0)
    expect(filled.map(([name]) => name)).toEqual(fewTables.tables.map(({ path }) => path))
  })
})
