// assay plan: what a start would change, before it does.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { formatDuration } from '../config/duration.ts'
import { Database } from '../engines/database.ts'
import { definitionsOfRun } from '../engines/definition-changes.ts'
import type { PipelineOptions } from '../engines/engine.ts'
import { type KeptRows, keptRows, type SilverHistory, silverHistory } from '../engines/kept-rows.ts'
import { type StartChange, type StartChanges, startChanges, stopsStart } from '../engines/start-changes.ts'
import { counted } from '../errors/counted.ts'
import { type Project, projectTitle } from '../project/project.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import { type StartingRules, startingRules } from '../versions/rules-in-force.ts'
import { commandActor } from './command-user.ts'
import { exitCodes } from './failure.ts'
import { pipelineOptions } from './pipeline-options.ts'
import { printable } from './printable.ts'
import { openSession } from './session.ts'

export function planCommand(project: Project): Command {
  return new Command('plan')
    .option('--json', 'as one JSON object')
    .action(async ({ json }: { json?: true }) => {
      const { config } = openSession(project)
      const rules = await startingRules(await versionedRules(config), await commandActor(config))
      const { lakehouse, parameters, file, faults } = rules
      const options = pipelineOptions({ ...config, lakehouse, parameters })
      const plan = { ...(await planOf(options)), rules: file, faults }
      const text = json ? jsonText(project, plan) : planText(project, plan)
      process.stdout.write(text)
      if (plan.changes.some(stopsStart)) process.exitCode = exitCodes.failed
    })
}

type PlanOfTables = StartChanges & { readonly kept: readonly KeptRows[]; readonly history: SilverHistory }

/** What becomes of a changed file of rules. */
type Plan = PlanOfTables & {
  readonly rules: StartingRules['file']
  /** Of versions that should run as shadows. */
  readonly faults: StartingRules['faults']
}

type PlanOptions = Pick<
  PipelineOptions,
  'lakehouse' | 'deltaBasePath' | 'delays' | 'parameters' | 'recordsPerBatchMax' | 'stateRowsMax' | 'duckdb'
>

async function planOf(options: PlanOptions): Promise<PlanOfTables> {
  const spillDirectory = await mkdtemp(join(tmpdir(), 'assay-plan-')) // A run may be at work in its own.
  const database = await Database.open({ spillDirectory, ...options.duckdb })
  try {
    const store = definitionsOfRun(options, database.load)
    const changes = await startChanges(options, store, database.load)
    return {
      ...changes,
      kept: await keptRows(options, changes),
      history: await silverHistory(options),
    }
  } finally {
    database.close()
    await rm(spillDirectory, { recursive: true, force: true })
  }
}

function planText(project: Project, { last, changes, kept, history, rules, faults }: Plan): string {
  const title = projectTitle(project)
  const lines = title === null ? [] : [`project ${title}`]
  const tables = counted(project.lakehouse.tables.length, 'table')
  if (last === null) lines.push(`no batch was written yet: a start makes ${tables}`)
  else if (changes.length === 0) lines.push(`nothing has changed since batch ${last.progress.batch}`)
  else lines.push(`since batch ${last.progress.batch} these have changed:`)
  const width = Math.max(0, ...changes.map(({ kind }) => kind.length))
  for (const change of changes) {
    lines.push(`  ${change.kind.padEnd(width)}  ${change.name}: ${change.text}${taken(change, history)}`)
  }
  if (last !== null && rules !== null) {
    const { version, becomes } = rules
    const next =
      becomes === 'active' ? 'which decides from then on' : 'which decides nothing before it is active'
    lines.push(`the file of rules becomes version ${version} of the rules, ${next}`)
  }
  for (const { version, cause } of faults)
    lines.push(`version ${version} of the rules is a shadow and cannot run: ${cause}`)
  const nameWidth = Math.max(0, ...kept.map(({ column }) => column.length))
  if (kept.length > 0) lines.push('kept between batches, about:')
  for (const { column, rangeMicros, rows, bytes, isLookedUp, table } of kept) {
    const where = isLookedUp ? 'looked up for each batch (STATE_ROWS_MAX)' : counted(bytes, 'byte')
    const size = `${counted(rows, 'row')}, ${where}`
    lines.push(`  ${column.padEnd(nameWidth)}  ${size} (${formatDuration(rangeMicros)} of ${table})`)
  }
  const stopping = changes.filter(stopsStart).length
  lines.push(
    stopping === 0 ? 'a start goes on' : `a start is refused: ${counted(stopping, 'change')} to see to`,
  )
  return printable(`${lines.join('\n')}\n`)
}

/** How much of silver a new table takes. */
function taken({ kind }: StartChange, { rows, days }: SilverHistory): string {
  return kind === 'new table' ? `: ${counted(rows, 'row')} of ${days.toFixed(1)} d` : ''
}

function jsonText(project: Project, { last, changes, kept, history, rules, faults }: Plan): string {
  const plan = {
    project: project.home?.configFile ?? null,
    batch: last === null ? null : Number(last.progress.batch),
    rules,
    shadowFaults: faults,
    isRefused: changes.some(stopsStart),
    changes: changes.map((one) => (one.kind === 'new table' ? { ...one, history } : one)),
    kept: kept.map((one) => ({ ...one, rangeMicros: Number(one.rangeMicros) })),
  }
  return `${JSON.stringify(plan)}\n`
}
