// assay backup, assay restore: copies the lakehouse to another directory or bucket while it runs, and brings
// it back from there.
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Config } from '../config/config.ts'
import type { CopyOptions, CopyReport } from '../engines/backup.ts'
import { counted } from '../errors/counted.ts'
import { isStoreUrl } from '../objects/address.ts'
import type { Project } from '../project/project.ts'
import { mountLakehouse } from './lakehouse-store.ts'
import { printable } from './printable.ts'
import { createProgressBar } from './progress-bar.ts'
import { openSession, projectConfig } from './session.ts'

export function backupCommand(project: Project): Command {
  return new Command('backup')
    .argument(
      '<target>',
      'a directory, or s3://bucket/prefix: empty, or with the last copy of this lakehouse',
    )
    .action(async (target: string) => {
      const { backUp } = await import('../engines/backup.ts')
      await copy(project, target, backUp, (config) => [config.deltaBasePath, target])
    })
}

export function restoreCommand(project: Project): Command {
  return new Command('restore')
    .argument('<source>', 'the directory or s3://bucket/prefix that "assay backup" was given')
    .action(async (source: string) => {
      const { restoreBackup } = await import('../engines/backup.ts')
      await copy(project, source, restoreBackup, (config) => [source, config.deltaBasePath])
    })
}

async function copy(
  project: Project,
  place: string,
  work: (options: CopyOptions) => Promise<CopyReport>,
  namesOf: (config: Config) => readonly [from: string, to: string],
): Promise<void> {
  const { config } = openSession(project)
  const { lakehouse, deltaBasePath } = config
  const backupPath = isStoreUrl(place) ? mountedAt(project, place) : resolve(place)
  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  const bar = createProgressBar('files', process.stderr, process.env)
  try {
    const onProgress = (done: number, total: number): void => bar.update(done, total)
    const report = await work({ lakehouse, deltaBasePath, backupPath, signal: stop.signal, onProgress })
    bar.close()
    process.stdout.write(printable(reportText(report, namesOf(config))))
  } catch (error) {
    bar.close()
    if (!stop.signal.aborted) throw error
    process.stderr.write('stopped: the same command carries it on\n')
    process.exitCode = 1
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

/** By the same settings as the store of the lakehouse; the engine does not matter to a copy. */
function mountedAt(project: Project, url: string): string {
  const config = projectConfig(project, { DELTA_BASE_PATH: url, ENGINE: 'embedded' })
  mountLakehouse(config)
  return config.deltaBasePath
}

function reportText(
  { batch, tables, files, copied }: CopyReport,
  [from, to]: readonly [string, string],
): string {
  const what = `${counted(tables, 'table')} up to batch ${batch}, ${counted(files, 'file')}`
  const now = `${counted(copied.files, 'file')} of ${counted(copied.bytes, 'byte')}`
  return `${from} is at ${to}: ${what}; now copied: ${now}\n`
}
