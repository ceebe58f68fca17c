// assay rebuild: a derived table computed anew from the history of silver.
import { Command, Option } from 'commander'
import { counted } from '../errors/counted.ts'
import type { Project } from '../project/project.ts'
import { sqlName, tableNamed } from '../query/table-name.ts'
import { withDecidingRules } from '../versions/configured-rules.ts'
import { waitDefaultSeconds, waitSeconds } from './erase.ts'
import { pipelineOptions } from './pipeline-options.ts'
import { printable } from './printable.ts'
import { createProgressBar } from './progress-bar.ts'
import { openSession } from './session.ts'

export function rebuildCommand(project: Project): Command {
  return new Command('rebuild')
    .argument('<table>', 'the table, such as aggregations.merchant')
    .addOption(
      new Option('--wait <seconds>', 'how long running processes may take to finish their batches and pause')
        .argParser(waitSeconds)
        .default(waitDefaultSeconds),
    )
    .action((table: string, { wait }: { wait: number }) => rebuild(project, table, wait))
}

async function rebuild(project: Project, name: string, waitMaxSeconds: number): Promise<void> {
  const config = await withDecidingRules(openSession(project).config)
  const { path } = tableNamed(name, config.lakehouse.tables)
  const { rebuildTable } = await import('../engines/rebuild.ts')
  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  const bar = createProgressBar('batches', process.stderr, process.env)
  try {
    const options = { ...pipelineOptions(config), pauseMaxMs: waitMaxSeconds * 1000, signal: stop.signal }
    const onProgress = (batch: bigint, last: bigint): void => bar.update(Number(batch), Number(last))
    const { batches, rows, rowsBefore, kept } = await rebuildTable({ ...options, onProgress }, path)
    bar.close()
    const what = `${counted(rows, 'row')} of ${counted(batches, 'batch', 'batches')}`
    const text = `${sqlName({ path })} is rebuilt: ${what}, in place of ${counted(rowsBefore, 'row')}\n`
    process.stdout.write(printable(text))
    if (kept === null) return
    const until = new Date(Number(kept.beforeMicros / 1000n)).toISOString()
    const why = 'silver has dropped what they were computed from'
    process.stdout.write(
      printable(`${counted(kept.rows, 'row')} of batches before ${until} are as they were: ${why}\n`),
    )
  } catch (error) {
    bar.close()
    if (!stop.signal.aborted) throw error
    process.stderr.write(`stopped: ${sqlName({ path })} is as it was\n`)
    process.exitCode = 1
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}
