// `assay dbt`: dbt over the tables of the lakehouse, with everything that it needs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import type { Config } from '../config/config.ts'
import { findSpark } from '../engines/spark/install.ts'
import { LakehouseError } from '../errors/errors.ts'
import { packagesDirectory, pythonEnvironment } from '../packages/packages.ts'
import { type Project, projectTitle } from '../project/project.ts'
import { writeCatalog } from '../query/catalog.ts'
import { openSession } from './session.ts'

/** The dbt project that comes with Assay; it knows the columns of the tables that ship. */
const ownProject = join(import.meta.dirname, '..', '..', 'dbt')
const targets = ['duckdb', 'spark'] as const

type Target = (typeof targets)[number]

export function dbtCommand(project: Project): Command {
  return new Command('dbt')
    .argument('[arguments...]', 'what dbt itself takes: build, test, run, docs generate, source freshness ..')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (args: readonly string[], _: unknown, command: Command) => {
      // Behind a command of dbt it is dbt's own help that is asked for.
      if (args[0] === '--help' || args[0] === '-h') return void command.outputHelp()
      process.exitCode = await runDbt(project, args.length === 0 ? ['build'] : args)
    })
}

async function runDbt(project: Project, args: readonly string[]): Promise<number> {
  const { config } = openSession(project)
  const projectDirectory = dbtProjectOf(project)
  const target = targetOf(args)
  const stop = new AbortController()
  // dbt gets the signal as well and ends by itself; the installation does not.
  const abort = (): void => stop.abort(new Error('stopped; what is done already stays'))
  process.on('SIGINT', abort).on('SIGTERM', abort)
  const work = await mkdtemp(join(tmpdir(), 'assay-dbt-'))
  try {
    const python = await installDbt(config, stop.signal)
    const database = resolve(process.env.ASSAY_DBT_DATABASE ?? join('analytics', 'assay.duckdb'))
    await mkdir(dirname(database), { recursive: true })
    const environment = {
      ...process.env,
      ASSAY_DBT_TARGET: target,
      ASSAY_DBT_DATABASE: database,
      DBT_TARGET_PATH: process.env.DBT_TARGET_PATH ?? join(dirname(database), 'target'),
      DBT_LOG_PATH: process.env.DBT_LOG_PATH ?? join(dirname(database), 'logs'),
      DELTA_BASE_PATH: config.deltaBasePath,
      ...(target === 'spark' ? await sparkSettings(config, work, dirname(database), stop.signal) : {}),
      ...(target === 'duckdb' ? await catalogSettings(config, dirname(database)) : {}),
    }
    const directories = ['--project-dir', projectDirectory, '--profiles-dir', projectDirectory]
    return await run(join(dirname(python), 'dbt'), [...args, ...directories], environment)
  } finally {
    process.off('SIGINT', abort).off('SIGTERM', abort)
    await rm(work, { recursive: true, force: true })
  }
}

/** That of the user's project where it has one. */
function dbtProjectOf(project: Project): string {
  const { home } = project
  if (home === null) return ownProject
  const own = join(home.directory, 'dbt')
  if (existsSync(join(own, 'dbt_project.yml'))) return own
  throw new LakehouseError(
    'CONFIG_INVALID',
    `${projectTitle(project)} has no dbt/dbt_project.yml, and the dbt project that comes with Assay ` +
      `knows the tables that ship alone. Copy it as a start (cp -r ${ownProject} ${own}), and put your tables and columns into its models.`,
  )
}

function targetOf(args: readonly string[]): Target {
  const at = args.findIndex((argument) => argument === '--target' || argument === '-t')
  const inside = args.find((argument) => argument.startsWith('--target='))?.slice('--target='.length)
  const named = inside ?? (at < 0 ? undefined : args[at + 1]) ?? process.env.ASSAY_DBT_TARGET ?? 'duckdb'
  const target = targets.find((one) => one === named)
  if (target !== undefined) return target
  const message = `the target of dbt is ${targets.join(' or ')}, not ${JSON.stringify(named)}.`
  throw new LakehouseError('CONFIG_INVALID', message)
}

/** The versions are those of the lock file beside the project that comes with Assay. */
async function installDbt({ spark }: Config, signal: AbortSignal): Promise<string> {
  const requirements = readFileSync(join(ownProject, 'requirements.txt'), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  return await pythonEnvironment(packagesDirectory(spark.home), 'dbt', requirements, signal)
}

/** At the same place in each run: dbt reads its project anew where the profile is another one. */
async function catalogSettings(config: Config, directory: string): Promise<Record<string, string>> {
  const file = join(directory, 'lakehouse.duckdb')
  await rm(file, { force: true })
  const { batch, tables, absent } = await writeCatalog(config, file)
  const missing = absent.filter((name) => !name.startsWith('ops.'))
  process.stderr.write(
    `${tables.length} tables of ${config.deltaBasePath} at batch ${batch}` +
      `${missing.length === 0 ? '' : `; not written yet: ${missing.join(', ')}`}\n`,
  )
  return { ASSAY_DBT_CATALOG: file }
}

/** A Spark of dbt's own with Delta in it; what it makes lies beside the database of the other target. */
async function sparkSettings(
  config: Config,
  work: string,
  directory: string,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const master = config.spark.master.reveal()
  if (master.startsWith('sc://')) return { SPARK_REMOTE: master }
  const packages = packagesDirectory(config.spark.home)
  const found = await findSpark({ directory: packages, sparkHome: config.spark.sparkHome, signal })
  const settings = {
    'spark.master': master,
    'spark.jars': found.jars.join(','),
    'spark.sql.extensions': 'io.delta.sql.DeltaSparkSessionExtension',
    'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.delta.catalog.DeltaCatalog',
    'spark.sql.catalogImplementation': 'hive',
    'spark.sql.warehouse.dir': join(directory, 'spark-warehouse'),
    'spark.hadoop.javax.jdo.option.ConnectionURL': `jdbc:derby:;databaseName=${join(directory, 'metastore')};create=true`,
    'spark.sql.shuffle.partitions': '2',
    'spark.sql.session.timeZone': 'UTC',
    'spark.sql.sources.partitionOverwriteMode': 'dynamic',
    'spark.ui.enabled': 'false',
    ...config.spark.serverSettings,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`)
  await writeFile(join(work, 'spark-defaults.conf'), lines.join(''))
  const { sparkHome, python } = found
  // PySpark is beside the Spark that was installed, or inside one of the user's own.
  const libraries = python === null ? await pythonOf(sparkHome) : [dirname(sparkHome)]
  return {
    SPARK_HOME: sparkHome,
    SPARK_CONF_DIR: work,
    SPARK_LOCAL_DIRS: work,
    PYTHONPATH: libraries.join(delimiter),
  }
}

async function pythonOf(sparkHome: string): Promise<string[]> {
  const python = join(sparkHome, 'python')
  const zips = (await readdir(join(python, 'lib'))).filter((name) => /^py4j-.*\.zip$/.test(name))
  return [python, ...zips.map((name) => join(python, 'lib', name))]
}

async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(program, args, { env, stdio: 'inherit' })
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    if (code !== null) return code
    throw new LakehouseError(
      'DBT_FAILED',
      `dbt was ended by ${signal}. Start it again: it does what is left.`,
    )
  } catch (cause) {
    if (cause instanceof LakehouseError) throw cause
    const message = `${program} cannot be run: ${cause instanceof Error ? cause.message : String(cause)}. Delete its folder, and it is installed again.`
    throw new LakehouseError('DBT_FAILED', message, { cause })
  }
}
