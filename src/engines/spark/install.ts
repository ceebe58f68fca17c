// The Spark that Assay starts by itself: where it is, what it consists of, how it is installed.
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { LakehouseError } from '../../errors/errors.ts'
import { isInstalled, mavenJars, pythonEnvironment } from '../../packages/packages.ts'

export const SPARK_VERSION = '4.1.1'
export const DELTA_VERSION = '4.4.0'

const requirements = [`pyspark==${SPARK_VERSION}`]
const coordinates = [
  `io.delta:delta-spark_4.1_2.13:${DELTA_VERSION}`,
  `org.apache.spark:spark-sql-kafka-0-10_2.13:${SPARK_VERSION}`,
  `org.apache.spark:spark-avro_2.13:${SPARK_VERSION}`,
]

export type SparkInstallation = {
  /** The folder with bin/spark-submit and jars/. */
  readonly sparkHome: string
  /** What Spark itself does not bring. */
  readonly jars: readonly string[]
  /** A Python with PySpark; null with a Spark of the user's own. */
  readonly python: string | null
}

export type InstallOptions = {
  /** Where installed things are. */
  readonly directory: string
  /** A Spark of the user's own in place of the installed one; null for that. */
  readonly sparkHome: string | null
  readonly signal: AbortSignal
}

/** Installs what is missing, and tells where everything is. A second call does nothing. */
export async function installSpark({
  directory,
  sparkHome,
  signal,
}: InstallOptions): Promise<SparkInstallation> {
  const jars = await mavenJars(directory, 'spark', coordinates, signal)
  if (sparkHome !== null) {
    const missing = ['bin/spark-submit', 'jars'].find((part) => !existsSync(join(sparkHome, part)))
    if (missing !== undefined) {
      throw new LakehouseError(
        'SPARK_NOT_INSTALLED',
        `SPARK_HOME is ${sparkHome}, but there is no ${missing} in it. Set it to a Spark ${SPARK_VERSION}, ` +
          'or unset it and let "assay spark install" bring one.',
      )
    }
    return { sparkHome, jars: await beyondSpark(sparkHome, jars), python: null }
  }
  const python = await pythonEnvironment(directory, 'spark', requirements, signal)
  const home = await pysparkOf(python)
  return { sparkHome: home, jars: await beyondSpark(home, jars), python }
}

/** What installSpark brought; fails where it was not called yet. */
export async function findSpark(options: InstallOptions): Promise<SparkInstallation> {
  const { directory, sparkHome } = options
  const isThere =
    isInstalled(directory, 'jars-spark', coordinates) &&
    (sparkHome !== null || isInstalled(directory, 'python-spark', requirements))
  if (isThere) return await installSpark(options)
  throw new LakehouseError(
    'SPARK_NOT_INSTALLED',
    `Spark ${SPARK_VERSION} and its jars are not in ${directory}. Run "assay spark install", ` +
      'or set SPARK_MASTER=sc://host:port to use a Spark Connect server that runs already.',
  )
}

async function pysparkOf(python: string): Promise<string> {
  const lib = join(dirname(dirname(python)), 'lib')
  const versions = (await readdir(lib)).filter((name) => name.startsWith('python3'))
  const homes = versions.map((name) => join(lib, name, 'site-packages', 'pyspark'))
  const home = homes.find((candidate) => existsSync(candidate))
  if (home !== undefined) return home
  throw new LakehouseError(
    'SPARK_NOT_INSTALLED',
    `There is no pyspark in ${lib}: delete ${dirname(lib)} and install again.`,
  )
}

/** Libraries that Spark brings itself, and newer, would break it in front of its own. */
async function beyondSpark(sparkHome: string, jars: readonly string[]): Promise<string[]> {
  const own = new Set((await readdir(join(sparkHome, 'jars'))).map(artifactOf))
  return jars.filter((jar) => wanted.test(basename(jar)) && !own.has(artifactOf(basename(jar))))
}

/** What Delta and the Kafka connector run on; the rest serves features that are not used. */
const wanted = /^(delta-|unitycatalog-|spark-|kafka-clients-|commons-pool2-)/

/** `delta-storage-4.4.0.jar` is `delta-storage`. */
function artifactOf(file: string): string {
  return file.replace(/-\d[^/]*\.jar$/, '')
}
