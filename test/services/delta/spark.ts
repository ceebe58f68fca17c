// A local Spark with Delta, driven from a test.
import { join } from 'node:path'
import { installSpark } from '../../../src/engines/spark/install.ts'
import { PythonProcess } from '../python.ts'
import { cacheDirectory, javaAvailable, pythonAvailable } from '../tools.ts'

/** null where Spark can run; otherwise why the tests that need it are skipped. */
export const sparkAbsent: string | null = javaAvailable ?? pythonAvailable

/** `spark` and the helpers below are in scope of the code that is sent to it. */
export async function startSpark(directory: string): Promise<PythonProcess> {
  const { signal } = new AbortController()
  const { python, jars } = await installSpark({ directory: cacheDirectory, sparkHome: null, signal })
  const process = new PythonProcess(python!, { TZ: 'UTC', SPARK_LOCAL_IP: '127.0.0.1' })
  await process.run(sessionCode, { jars, warehouse: join(directory, 'warehouse') })
  return process
}

const sessionCode = `
from pyspark.sql import SparkSession, functions as F
settings = {
    "spark.jars": ",".join(inputs["jars"]),
    "spark.driver.extraClassPath": ":".join(inputs["jars"]),
    "spark.driver.memory": "1g",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.warehouse.dir": inputs["warehouse"],
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    # Few rows and many different queries: compiling each costs more than interpreting it.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
}
builder = SparkSession.builder.master("local[2]").appName("delta-test")
for key, value in settings.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()

def table(path):
    return "delta.\`" + path + "\`"

def rows(frame):
    return [row.asDict(recursive=True) for row in frame.collect()]

def state(path):
    log = spark._jvm.org.apache.spark.sql.delta.DeltaLog
    log.clearCache()
    return log.forTable(spark._jsparkSession, path).unsafeVolatileSnapshot()
`
