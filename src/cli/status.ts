// assay status: how the streams are, and what is wrong with them. A process that runs is asked; of what does
// not run the tables tell.
import { Command } from 'commander'
import { askStatus } from '../engines/asked-status.ts'
import { refuseNoTables } from '../ops/readable.ts'
import type { Project } from '../project/project.ts'
import { exitCodes } from './failure.ts'
import { openSession } from './session.ts'
import { statusText } from './status-text.ts'

export function statusCommand(project: Project): Command {
  return new Command('status')
    .option('--json', 'as one JSON object')
    .action(async ({ json }: { readonly json?: true }) => {
      const { lakehouse, deltaBasePath, metrics } = openSession(project).config
      const processes = await askStatus(lakehouse, deltaBasePath, metrics, Date.now)
      const isNobody = processes.every(({ writer, tables }) => writer === null && tables.length === 0)
      if (isNobody) await refuseNoTables(lakehouse, deltaBasePath)
      const isWrong = processes.some(({ findings }) => findings.some(({ severity }) => severity === 'error'))
      const text = json
        ? `${JSON.stringify({ ok: !isWrong, processes })}\n`
        : processes.map(statusText).join('\n')
      process.stdout.write(text)
      process.exitCode = isWrong ? exitCodes.failed : exitCodes.ok
    })
}
