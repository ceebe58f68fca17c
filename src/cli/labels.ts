// assay labels: brings what became known of transactions, such as chargebacks.
import { Command } from 'commander'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { importLabels, sourceForm } from '../labels/import-labels.ts'
import type { Project } from '../project/project.ts'
import { instanceOptions } from '../query/reader.ts'
import { commandUser } from './command-user.ts'
import { printable } from './printable.ts'
import { openSession } from './session.ts'

export function labelsCommand(project: Project): Command {
  const command = new Command('labels')
  command
    .command('import')
    .description('add the labels of a file to fraud_labels; what is there already is left out')
    .argument(
      '<file>',
      'CSV with a header, or NDJSON (.ndjson, .jsonl, .json): transaction_id, known_at (the day or instant on ' +
        'which it became known), and, where wanted, is_fraud (default: true) and source',
    )
    .option('--source <name>', 'where labels come from that do not say it', 'chargeback')
    .action(async (file: string, { source }: { readonly source: string }) => {
      if (!sourceForm.test(source)) {
        const message = `--source is a name of small letters, digits and _, as in chargeback, not ${source}.`
        throw new LakehouseError('CONFIG_INVALID', message)
      }
      const { config } = openSession(project)
      const { lakehouse, deltaBasePath } = config
      const { rows, imported, unknown, ignored } = await importLabels({
        ...{ lakehouse, deltaBasePath, file, source },
        importedBy: commandUser(),
        nowMicros: BigInt(Date.now()) * 1000n,
        duckdb: instanceOptions(config),
      })
      const old = rows - imported
      const lines = [
        `${counted(imported, 'label')} imported${old > 0 ? `, ${old} were there already` : ''}`,
        ...(ignored.length > 0 ? [`columns that say nothing here: ${ignored.join(', ')}`] : []),
        ...(unknown > 0
          ? [
              `${counted(unknown, 'transaction')} of them ${unknown === 1 ? 'is' : 'are'} not among the events, or not yet: check the ids where that is a surprise`,
            ]
          : []),
      ]
      process.stdout.write(printable(`${lines.join('\n')}\n`))
    })
  return command
}
