// assay rules: looks for mistakes in a file of rules, runs its examples, and says what a condition may ask.
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { fileMissing } from '../files/file-missing.ts'
import type { RulesSource } from '../plan/index.ts'
import { besideRules } from '../project/model-file.ts'
import type { Project } from '../project/project.ts'
import { listParameters } from '../project/rule-lists.ts'
import {
  type CompletionData,
  completionData,
  type ExampleResult,
  givenText,
  parseRules,
  type Rule,
  type RuleExample,
  type RuleSet,
  readExamples,
  runExamples,
  validRules,
  withModelScore,
} from '../rules/index.ts'
import { exitCodes } from './failure.ts'
import { printable, printableLine } from './printable.ts'
import { addComparison } from './rule-comparison.ts'
import { addEntryCommands } from './rule-entries.ts'
import { addVersionCommands } from './rule-versions.ts'

type Out = { write(text: string): unknown }

export function rulesCommand(project: Project): Command {
  const command = new Command('rules')
  const fileMeaning = 'the file of rules (default: that of the lakehouse)'
  command
    .command('check')
    .description('look for mistakes, each told with its line and column')
    .argument('[file]', fileMeaning)
    .action((file: string | undefined) => checkRules(openRules(project, file), process.stdout))
  command
    .command('test')
    .description('run the examples of the rules; the exit code is 1 where a rule does something else')
    .argument('[file]', fileMeaning)
    .option(
      '--from <file>',
      'further examples, one JSON object a line: {"rule":"..","given":{..},"fires":true}',
    )
    .action((file: string | undefined, { from }: { from?: string }) => {
      const opened = openRules(project, file)
      const isRight = testRules(opened, from === undefined ? null : textOf(from), process.stdout)
      if (!isRight) process.exitCode = exitCodes.failed
    })
  command
    .command('complete')
    .description('print the names, lists, functions and operators of conditions as JSON, for editors')
    .argument('[file]', fileMeaning)
    .action((file: string | undefined) => {
      process.stdout.write(`${JSON.stringify(completionOf(project, file), null, 2)}\n`)
    })
  addVersionCommands(command, project)
  addEntryCommands(command, project)
  addComparison(command, project)
  return command
}

export type OpenedRules = {
  readonly rules: RuleSet
  readonly file: string
  readonly columns: RulesSource['columns']
}

/** Fails with RULES_INVALID where there are mistakes. */
export function openRules(project: Project, named?: string): OpenedRules {
  const { file, ...names } = sourceOf(project, named)
  const rules = validRules(textOf(file), { file, ...names })
  return { rules, file, columns: rules.model === null ? names.columns : withModelScore(names.columns) }
}

/** Without lists where the file has mistakes: whoever writes it wants to go on. */
function completionOf(project: Project, named?: string): CompletionData {
  const { file, ...names } = sourceOf(project, named)
  const parsed = parseRules(textOf(file), names)
  const hasModel = parsed.kind === 'rules' && parsed.rules.model !== null
  const columns = hasModel ? withModelScore(names.columns) : names.columns
  return completionData(columns, parsed.kind === 'rules' ? parsed.rules.lists : {})
}

function sourceOf({ lakehouse: { rulesFrom, settings } }: Project, named?: string) {
  if (rulesFrom === undefined) {
    const message = 'the rules of this lakehouse stand in its sources, and not in a file.'
    throw new LakehouseError('RULES_INVALID', message)
  }
  const { file, columns } = rulesFrom
  const beside = besideRules(named ?? file)
  return { file: named ?? file, columns, parameters: listParameters(settings), beside }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') throw fileMissing(file)
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new LakehouseError('RULES_INVALID', `${file} cannot be read: ${why}.`, { cause })
  }
}

export function checkRules({ rules, file }: OpenedRules, out: Out): void {
  const width = Math.max(...rules.rules.map(({ name }) => name.length))
  for (const { name, points, when } of rules.rules) {
    const sign = points < 0 ? '' : '+'
    out.write(`${`${sign}${points}`.padStart(6)}  ${name.padEnd(width)}  ${printableLine(when)}\n`)
  }
  out.write(printable(`${counted(rules.rules.length, 'rule')} in ${file}: no mistakes\n`))
}

/** `more` is the text of a file of examples; false where a rule does not do what an example says. */
export function testRules({ rules, file, columns }: OpenedRules, more: string | null, out: Out): boolean {
  const further = more === null ? new Map<string, RuleExample[]>() : readExamples(more, rules, columns)
  const examplesOf = (rule: Rule) => [...rule.examples, ...(further.get(rule.name) ?? [])]
  const results = runExamples(rules, columns, examplesOf)
  const wrong = results.filter(({ example, fired }) => fired !== example.fires)
  const width = Math.max(...rules.rules.map(({ name }) => name.length))
  for (const rule of rules.rules) {
    const its = results.filter((result) => result.rule === rule)
    const failed = its.filter((result) => wrong.includes(result))
    const verdict = its.length === 0 ? 'no examples' : failed.length === 0 ? 'ok' : 'wrong'
    const told = its.length === 0 ? '' : `, ${counted(its.length, 'example')}`
    out.write(`${rule.name.padEnd(width)}  ${verdict}${told}\n`)
    for (const result of failed) out.write(`  ${printableLine(wrongText(result, file, columns))}\n`)
  }
  return wrong.length === 0
}

function wrongText(
  { rule, example, fired }: ExampleResult,
  file: string,
  columns: OpenedRules['columns'],
): string {
  const at = example.isOfFile ? `${file}:${example.line}` : `line ${example.line} of the examples`
  const given = givenText(example, columns)
  return `${at}: given ${given}, ${rule.name} ${fired ? 'fires, and should not' : 'does not fire, and should'}`
}
