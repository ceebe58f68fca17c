// What `assay check` asks of Spark: a server, its version, its jars, and that it writes where we read.

import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Config } from '../config/config.ts'
import { DeltaTable } from '../delta/index.ts'
import { makeDirectory } from '../delta/local-storage.ts'
import { openCluster } from '../engines/spark/cluster.ts'
import { read, sqlRelation } from '../engines/spark/connect/relations.ts'
import type { SparkSession } from '../engines/spark/connect/session.ts'
import { SPARK_VERSION } from '../engines/spark/install.ts'
import { fileUri } from '../engines/spark/rows.ts'
import { counted } from '../errors/counted.ts'
import type { Found } from './check-finding.ts'
import { sparkOptions } from './spark-options.ts'

const { signal } = new AbortController()
const rowCount = 3

export async function* examineSpark(config: Config): AsyncGenerator<Found> {
  const cluster = await openCluster(sparkOptions(config, null).cluster, `check ${randomUUID()}`, signal)
  try {
    const { session } = cluster
    const version = await session.version({ signal, what: 'Spark was asked for its version' })
    yield versionFinding(version)
    // Reading a plan loads the connector, and connects to nobody.
    const topic = read({
      format: 'kafka',
      options: { subscribe: 'any', 'kafka.bootstrap.servers': 'localhost:1' },
    })
    await session.schema(topic, { signal, what: 'Spark has no Kafka connector' })
    yield { verdict: 'ok', text: 'Spark has the Kafka connector' }
    yield await deltaFinding(session, config.deltaBasePath)
    await session.release({ signal, what: 'The session could not be ended' })
  } finally {
    await cluster.close()
  }
}

function versionFinding(version: string): Found {
  const [line] = /^\d+\.\d+/.exec(SPARK_VERSION)!
  if (version.startsWith(`${line}.`)) return { verdict: 'ok', text: `Spark ${version}` }
  return {
    verdict: 'FAIL',
    text: `Spark ${version}: the engine is made for ${line}, start the server with that version`,
  }
}

/** The cluster and this process must see the same directory, and read what the other writes. */
async function deltaFinding(session: SparkSession, deltaBasePath: string): Promise<Found> {
  await makeDirectory(resolve(deltaBasePath))
  const path = join(deltaBasePath, `.assay-check-${randomUUID()}`)
  try {
    const what = `Spark could not write a Delta table in ${deltaBasePath}`
    await session.writeDelta(
      sqlRelation(`SELECT id FROM range(${rowCount})`),
      { path: fileUri(path), mode: 'append' },
      { signal, what },
    )
    if (!(await DeltaTable.exists(path))) {
      return {
        verdict: 'FAIL',
        text: `Spark writes to another ${deltaBasePath} than this process reads: mount the same storage on both`,
      }
    }
    const { numRecords } = await (await DeltaTable.open(path)).snapshot()
    if (numRecords === BigInt(rowCount))
      return { verdict: 'ok', text: 'Spark writes Delta tables that are read here' }
    return {
      verdict: 'FAIL',
      text: `Spark wrote ${counted(rowCount, 'row')}, ${numRecords} are read here: report it`,
    }
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}
