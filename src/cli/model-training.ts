// assay model train, card and drift.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { Command } from 'commander'
import type { Config } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import { packagesDirectory } from '../packages/packages.ts'
import type { RulesSource } from '../plan/index.ts'

import { cardFile } from '../project/model-file.ts'
import type { Project } from '../project/project.ts'
import { withLists } from '../project/rule-lists.ts'
import { instanceOptions } from '../query/reader.ts'
import { modelFileName, type RuleSet, type ScoringModel } from '../rules/index.ts'
import type { ModelCard } from '../training/card.ts'
import { cardHtml, cardText } from '../training/card-text.ts'
import { type DriftedDay, driftByDay } from '../training/drift.ts'
import { type TrainedModel, trainModel } from '../training/train.ts'
import { featuresFrom, featuresOfColumns } from '../training/training-features.ts'
import { periodFlags } from './backtest.ts'
import { wholeNumberFrom } from './option-values.ts'
import { printable } from './printable.ts'
import { tableText } from './result-output.ts'
import { openRules } from './rules.ts'
import { openSession } from './session.ts'

type TrainFlags = {
  readonly from?: string
  readonly to?: string
  readonly testFrom?: string
  readonly feature: readonly string[]
  readonly capacity?: number
  readonly rounds: number
  readonly seed: number
}
type DriftFlags = { readonly from?: string; readonly to?: string; readonly json?: true }

export function addTraining(command: Command, project: Project, rulesOf: () => RulesSource): void {
  command
    .command('train')
    .description('learn from matured transactions, write the model and its card beside the rules')
    .option('--from <day|instant>', 'transactions from then on (default: the first)')
    .option('--to <day|instant>', 'up to then; a day is in it (default: the last)')
    .option(
      '--test-from <day|instant>',
      'the model is judged on those from then on (default: the last quarter)',
    )
    .option(
      '--feature <name=value>',
      'a number, text or condition of the row; may be given again (default: every column that is of use)',
      (one: string, all: readonly string[]) => [...all, one],
      [],
    )
    .option(
      '--capacity <reviews>',
      'reviews a day (default: as many as the rules ask for)',
      wholeNumberFrom(1, 1e9),
    )
    .option('--rounds <count>', 'trees at most', wholeNumberFrom(1, 5_000), 500)
    .option(
      '--seed <number>',
      'the same seed and rows give the same model',
      wholeNumberFrom(0, 2 ** 31 - 1),
      1,
    )
    .action(async (flags: TrainFlags) => {
      const { config } = openSession(project)
      const source = rulesOf()
      process.stderr.write('the first time LightGBM is installed, into a folder of its own\n')
      const trained = await train(project, config, flags)
      const path = writeTrained(trained, source)
      process.stdout.write(printable(trainedText(trained, path)))
    })
  command
    .command('card')
    .description('the card of the model of the rules: data, features, figures, calibration')
    .option('--json', 'all of it as JSON')
    .option('--html', 'as one HTML file')
    .action(({ json, html }: { readonly json?: true; readonly html?: true }) => {
      if (json && html) throw new LakehouseError('CONFIG_INVALID', 'give --json or --html, not both.')
      const { card } = activeModel(project)
      const text = json ? `${JSON.stringify(card, null, 2)}\n` : html ? cardHtml(card) : cardText(card, drawn)
      process.stdout.write(json || html ? text : printable(text))
    })
  command
    .command('drift')
    .description('how far features and score of each day are from those that the model learned from')
    .option('--from <day|instant>', 'transactions from then on (default: the first)')
    .option('--to <day|instant>', 'up to then; a day is in it (default: the last)')
    .option('--json', 'all figures as JSON')
    .action(async (flags: DriftFlags) => {
      const { config } = openSession(project)
      const days = await drift(project, config, flags)
      if (flags.json) process.stdout.write(`${JSON.stringify(days, null, 2)}\n`)
      else process.stdout.write(printable(driftText(days)))
    })
}

const drawn = (
  names: readonly string[],
  rows: readonly (readonly string[])[],
  isRight: readonly boolean[],
): string => tableText(names, rows, { widthMax: process.stdout.columns ?? Infinity, isRight })

async function train(project: Project, config: Config, flags: TrainFlags): Promise<TrainedModel> {
  const { rules, columns } = openRules(project)
  const features =
    flags.feature.length === 0
      ? featuresOfColumns(columns)
      : featuresFrom(flags.feature.map(namedFeature), columns)
  const { fromMicros: testFromMicros } = periodFlags(
    flags.testFrom === undefined ? {} : { from: flags.testFrom },
  )
  return await trainModel({
    ...historyOf(config, rules, flags),
    features,
    rules: rules.rules,
    testFromMs: testFromMicros === null ? null : Number(testFromMicros / 1000n),
    capacityPerDay: flags.capacity ?? null,
    ...{ reviewFrom: rules.reviewFrom, roundsMax: flags.rounds, seed: flags.seed },
    made: new Date().toISOString(),
    packagesDirectory: packagesDirectory(config.spark.home),
    signal: new AbortController().signal,
  })
}

function namedFeature(text: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)]
  return [text, text]
}

function historyOf(config: Config, rules: RuleSet, flags: { readonly from?: string; readonly to?: string }) {
  const { lakehouse, deltaBasePath } = config
  return {
    ...{ lakehouse, deltaBasePath },
    ...periodFlags(flags),
    parameters: withLists(lakehouse, config.parameters, rules.lists),
    asOfMicros: BigInt(Date.now()) * 1000n,
    maturityMicros: config.labelMaturityMicros,
    duckdb: instanceOptions(config),
  }
}

/** The path of the model; the card lies beside it. */
function writeTrained({ text, card }: TrainedModel, rules: RulesSource): string {
  const path = join(dirname(rules.file), modelFileName(text, 'txt'))
  writeFileSync(path, text)
  writeFileSync(cardFile(path, 'json'), `${JSON.stringify(card)}\n`)
  writeFileSync(cardFile(path, 'html'), cardHtml(card))
  return path
}

function trainedText({ card }: TrainedModel, path: string): string {
  const lines = card.features.map(({ name, source }) => `    ${name}: ${JSON.stringify(source)}`)
  const shown = (file: string): string => relative(process.cwd(), file) || file
  return [
    cardText(card, drawn),
    `The model is ${shown(path)}, its card ${shown(cardFile(path, 'html'))}. Write into rules.yaml:`,
    '',
    'model:',
    `  file: ./${card.model}`,
    '  features:',
    ...lines,
    '',
  ].join('\n')
}

/** Fails with CONFIG_INVALID where the rules have no model, or nobody trained it here. */
function activeModel(project: Project): {
  readonly card: ModelCard
  readonly rules: RuleSet & { readonly model: ScoringModel }
} {
  const { rules, file } = openRules(project)
  const { model } = rules
  if (model === null) throw new LakehouseError('CONFIG_INVALID', `${file} has no model.`)
  const path = join(dirname(file), model.file)
  try {
    const card = JSON.parse(readFileSync(cardFile(path, 'json'), 'utf8')) as ModelCard
    return { card, rules: { ...rules, model } }
  } catch (cause) {
    const message = `${path} has no card beside it: "assay model train" writes one, of others nothing is known.`
    throw new LakehouseError('CONFIG_INVALID', message, { cause })
  }
}

async function drift(project: Project, config: Config, flags: DriftFlags): Promise<readonly DriftedDay[]> {
  const { card, rules } = activeModel(project)
  return await driftByDay({
    ...historyOf(config, rules, flags),
    ...{ model: rules.model, card, versions: null },
  })
}

function driftText(days: readonly DriftedDay[]): string {
  const cells = days.map(({ day, transactions, score, features }) => {
    const drifted = features
      .filter((one) => one.level === 'drifted')
      .map((one) => `${one.name} ${one.psi.toFixed(2)}`)
    const most = features.toSorted((a, b) => b.psi - a.psi)[0]
    const told =
      drifted.length > 0
        ? drifted.join(', ')
        : most === undefined
          ? ''
          : `none; most ${most.name} ${most.psi.toFixed(2)}`
    return [
      day,
      transactions.toLocaleString('en-US'),
      score.psi.toFixed(3),
      score.ks.toFixed(3),
      score.level,
      told,
    ]
  })
  const names = [
    'day',
    'transactions',
    'PSI of the score',
    'KS',
    'level',
    'features that drifted, with their PSI',
  ]
  return drawn(names, cells, [false, true, true, true, false, false])
}
