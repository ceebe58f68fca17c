// assay model: brings a model that others trained, or trains one.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { Command } from 'commander'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { rulesFile } from '../lakehouse/rules.ts'
import { nodeCount, readModel, type TreeModel } from '../model/index.ts'
import type { RulesSource } from '../plan/index.ts'
import type { Project } from '../project/project.ts'
import { modelFileName } from '../rules/index.ts'
import { addTraining } from './model-training.ts'
import { printable } from './printable.ts'

export function modelCommand(project: Project): Command {
  const command = new Command('model')
  command
    .command('import')
    .description('check a model, lay it beside the rules, and say what to write into them')
    .argument('<file>', "LightGBM's text (Booster.save_model), or XGBoost's JSON")
    .action((file: string) => {
      const { path, model, note } = importModel(rulesOf(project), file)
      const told = note === null ? '' : `${note}\n`
      process.stdout.write(printable(`${told}${importedText(model, path, rulesOf(project))}`))
    })
  addTraining(command, project, () => rulesOf(project))
  return command
}

/** Fails with CONFIG_INVALID where the rules are not a project's own: a model is a part of rules. */
function rulesOf({ lakehouse: { rulesFrom } }: Project): RulesSource {
  if (rulesFrom !== undefined && rulesFrom.file !== rulesFile) return rulesFrom
  throw new LakehouseError(
    'CONFIG_INVALID',
    "a model is a part of a project's rules, and there are none here: make a project (assay init), and name its rules in assay.config.ts, rules: './rules.yaml'.",
  )
}

/** Writes it beside the rules, which stay as they are. Fails with MODEL_INVALID. */
export function importModel(
  rules: RulesSource,
  file: string,
): { readonly path: string; readonly model: TreeModel; readonly note: string | null } {
  const text = textOf(file)
  const read = readModel(text)
  if (read.kind === 'mistake') {
    const place = read.line === null ? file : `${file}:${read.line}`
    throw new LakehouseError('MODEL_INVALID', `${place}: ${read.message}.`)
  }
  const name = modelFileName(text, text.trimStart().startsWith('{') ? 'json' : 'txt')
  const path = join(dirname(rules.file), name)
  writeFileSync(path, text)
  return { path, model: read.model, note: read.note }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new LakehouseError('MODEL_INVALID', `${file} cannot be read: ${why}.`, { cause })
  }
}

/** What was read, and the lines that rules.yaml needs. */
export function importedText(model: TreeModel, path: string, rules: RulesSource): string {
  const { features, trees } = model
  const lines = features.map(({ name, kind, values }) => {
    const isPlain = /^[A-Za-z_]\w*$/.test(name) && !/^(?:null|true|false|y|n|yes|no|on|off)$/i.test(name)
    const key = isPlain ? name : JSON.stringify(name)
    const isColumn = Object.hasOwn(rules.columns, name)
    const value = isColumn ? name : '???'
    if (kind === 'number') return `    ${key}: ${value}${isColumn ? '' : ' # a number, or a condition'}`
    // Whose they are is read from the file: who writes them into the rules looks at them.
    if (values !== null) return `    ${key}: { value: ${value}, categories: ${JSON.stringify(values)} }`
    return `    ${key}: { value: ${value}, categories: [???] } # its texts, in the order of their numbers`
  })
  const shown = relative(process.cwd(), path) || path
  return [
    `${counted(trees.length, 'tree')}, ${counted(nodeCount(model), 'node')}, ${counted(features.length, 'feature')}: ${shown}`,
    `Write into ${relative(process.cwd(), rules.file) || rules.file}, with what each feature is of a row:`,
    '',
    'model:',
    `  file: ./${path.split('/').at(-1)}`,
    '  features:',
    ...lines,
    '',
    'Rules can ask model_score then: when: model_score > 0.9',
    '',
  ].join('\n')
}
