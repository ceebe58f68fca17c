// `assay spark install`: brings the Spark that Assay starts by itself.

import { Command } from 'commander'
import { DELTA_VERSION, installSpark, SPARK_VERSION } from '../engines/spark/install.ts'
import { counted } from '../errors/counted.ts'
import { packagesDirectory } from '../packages/packages.ts'
import type { Project } from '../project/project.ts'
import { openSession } from './session.ts'

export function sparkCommand(project: Project): Command {
  const command = new Command('spark')
  command
    .command('install')
    .description(
      `Installs Spark ${SPARK_VERSION} with Delta ${DELTA_VERSION} and the Kafka connector, through pip and Maven; once for all.`,
    )
    .action(() => install(project))
  return command
}

async function install(project: Project): Promise<void> {
  const { config } = openSession(project)
  const directory = packagesDirectory(config.spark.home)
  process.stdout.write(
    `Spark ${SPARK_VERSION}, Delta ${DELTA_VERSION} and the Kafka connector in ${directory} ..\n`,
  )
  const stop = new AbortController()
  const abort = (): void => stop.abort(new Error('stopped; what is done already stays'))
  process.once('SIGINT', abort).once('SIGTERM', abort)
  try {
    const startedMs = performance.now()
    const { sparkHome } = config.spark
    const found = await installSpark({ directory, sparkHome, signal: stop.signal })
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    const text = `Spark is in ${found.sparkHome}, with ${counted(found.jars.length, 'jar')} beside it (${seconds} s).`
    process.stdout.write(`${text}\n`)
  } finally {
    process.off('SIGINT', abort).off('SIGTERM', abort)
  }
}
