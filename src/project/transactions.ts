// A lakehouse of a topic of one's own: the seed's tables over records that look otherwise, with columns,
// checks, features, rules and tables of one's own.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseDuration } from '../config/duration.ts'
import { variables } from '../config/variables.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Schema } from '../expr/index.ts'
import { silverOf } from '../lakehouse/2-silver/transactions.ts'
import { shadowOf } from '../lakehouse/3-rules/shadow.ts'
import { standardLakehouse } from '../lakehouse/index.ts'
import { boundLists, inArms, ruleColumns, rulesFile, shadowRules } from '../lakehouse/rules.ts'
import { tablesOfSilver } from '../lakehouse/tables-of-silver.ts'
import {
  defineLakehouse,
  firstRulesVersion,
  type Lakehouse,
  type NamingColumn,
  type Relation,
  type RulesVersion,
  type Setting,
  type TableDefinition,
  type Watermark,
} from '../plan/index.ts'
import { type PersonColumn, type RuleSet, validRules, withSnoozes } from '../rules/index.ts'
import type { SilverColumns } from '../transactions/columns.ts'
import type {
  ExtraFields,
  ExtraSchema,
  Fields,
  TransactionFields,
  UserTypeOf,
} from '../transactions/fields.ts'
import type { Mapping } from '../transactions/mapping.ts'
import { columnMistakes, refuse } from '../transactions/mapping-of.ts'
import { type FeatureRows, type Features, withFeatures } from './features.ts'
import { besideRules } from './model-file.ts'
import type { ProjectLakehouse } from './project.ts'
import { type ListsOfRules, listParameters, withListDefault } from './rule-lists.ts'

export type TransactionsConfig<F extends Fields, E extends ExtraFields> = TransactionFields<F, E> & {
  /** Where KAFKA_TOPIC says no other. */
  readonly topic: string
  readonly features?: (rows: FeatureRows<SilverColumns<UserTypeOf<F>, ExtraSchema<E>>>) => Features
  /** The column whose value, as text, is the key of a record; user_id where nothing is said. */
  readonly key?: Exclude<keyof Fields, 'timestamp' | 'location'> | (keyof E & string)
  /** A file of rules, from the folder of the config on; absent: the rules that ship. */
  readonly rules?: string
  /** Values of columns of `extra` in the records that `assay demo` and `assay produce` make up. */
  readonly samples?: { readonly [K in keyof E]?: readonly unknown[] }
  /** Further tables, each behind those that it reads. */
  readonly tables?: readonly TableDefinition[]
  /** Further watermarks, by which windows of these tables close. */
  readonly watermarks?: readonly Watermark[]
  /** Further streams, which may each run as a process of its own and write some of these tables. */
  readonly streams?: readonly string[]
  /** Further values of the environment, which plans and rules have as parameters. */
  readonly settings?: readonly Setting[]
}

/** The default export of a config. Fails with LAKEHOUSE_INVALID. */
export function transactions<
  const F extends Fields = Record<never, never>,
  const E extends ExtraFields = Record<never, never>,
>(of: TransactionsConfig<F, E>): ProjectLakehouse {
  const silver = silverOf(of)
  const events: Schema = silver.transactions.rows.schema
  const features = of.features?.({ schema: silver.transactions.rows.schema as never }) ?? {}
  const mistakes = Object.keys(features).flatMap((name) => [
    ...columnMistakes(name).map((text) => text.replace(/^extra/, 'features')),
    ...(isFeature(features[name]) ? [] : [`features.${name}: it is no figure of over(rows, { .. })`]),
    ...(name in (of.extra ?? {}) ? [`features.${name}: a column of extra has this name`] : []),
  ])
  refuse(mistakes)
  refuse([...watermarkMistakes(of.watermarks ?? []), ...ownSettingMistakes(of.settings ?? [])])
  const path = silver.transactions.path
  for (const [index, table] of (of.tables ?? []).entries()) {
    if (typeof table === 'object' && table !== null && 'rows' in table) continue
    throw new LakehouseError(
      'LAKEHOUSE_INVALID',
      `tables: element ${index + 1} is no table of defineTable(..)`,
    )
  }
  const add = (rows: Relation): Relation => withFeatures(rows, features, path)
  // Features of columns that are none are told here, where the config's own line is known.
  const withThem: Schema = add(silver.batch as Relation).schema
  const added = Object.entries(withThem).filter(([name]) => !(name in events))
  const columns = { ...ruleColumns, ...events, ...Object.fromEntries(added) }
  return { kind: 'project', in: (directory) => lakehouseIn(directory) }

  function lakehouseIn(directory: string): Lakehouse {
    const file = of.rules === undefined ? rulesFile : join(directory, of.rules)
    return lakehouseBy(file, { version: firstRulesVersion, text: rulesText(file) }, file)
  }

  /** `called`: what the text is called where it has mistakes. */
  function lakehouseBy(file: string, decides: RulesVersion, called?: string): Lakehouse {
    const settings = [...standardLakehouse.settings, ...(of.settings ?? [])]
    const parameters = listParameters(settings)
    const person: PersonColumn = { name: 'user_id', type: silver.transactions.rows.schema.user_id }
    const read = (version: RulesVersion): RuleSet => {
      const { text, entries = [], snoozes = [] } = version
      const bound = boundLists(parameters, version)
      const names = { columns, entries, parameters: bound, beside: besideRules(file) }
      const named = { ...names, file: called ?? `version ${version.version} of the rules` }
      return withSnoozes(validRules(text, named), snoozes, person)
    }
    const rules = read(decides)
    const { scoring, defined } = inArms(rules, decides, read)
    const shadows = shadowRules(decides, read)
    const [records, transactionsTable, refused, scored, ...tables] = tablesOfSilver(silver, scoring, add)
    const { mapping, reading, reasonMeanings } = silver
    return defineLakehouse({
      topic: of.topic,
      records: records!,
      events: transactionsTable!,
      refused: refused!,
      scored: scored!,
      tables: [...tables, ...(of.tables ?? [])],
      shadow: { table: shadowOf(silver, shadows ?? [], add), isWritten: shadows !== undefined },
      shipped: standardLakehouse.shipped ?? [],
      streams: [...standardLakehouse.streams, ...(of.streams ?? [])],
      watermarks: [...standardLakehouse.watermarks, ...(of.watermarks ?? [])],
      settings: settings.flatMap((setting) => settingOf(setting, rules.lists)),
      definitionSettings: standardLakehouse.definitionSettings ?? [],
      ...defined,
      rulesFrom: {
        file,
        columns,
        by: (other) => lakehouseBy(file, other),
      },
      names: {
        event: { column: 'transaction_id', path: mapping.transaction_id.path },
        person: { column: 'user_id', path: mapping.user_id.path },
        ...(of.key === undefined ? {} : { key: keyOf(mapping, of.key) }),
      },
      reasons: reasonMeanings,
      reading: { ...reading, ...(of.samples === undefined ? {} : { samples: samplesOf(of.samples) }) },
    })
  }
}

function watermarkMistakes(watermarks: readonly Watermark[]): string[] {
  return watermarks.flatMap(({ name, default: delay }) => {
    return parseDuration(delay) === null
      ? [`watermarks.${name}: ${JSON.stringify(delay)} is no duration`]
      : []
  })
}

function ownSettingMistakes(settings: readonly Setting[]): string[] {
  return settings.flatMap(({ variable, kind, default: given }) => [
    ...(variable in variables ? [`settings.${variable}: Assay has a variable of this name`] : []),
    ...(kind === 'duration' && parseDuration(given) === null
      ? [`settings.${variable}: ${JSON.stringify(given)} is no duration, such as 10 minutes`]
      : []),
  ])
}

/** Not everybody compiles first. */
function isFeature(given: unknown): boolean {
  return typeof given === 'object' && given !== null && 'rangeMicros' in given
}

function samplesOf(samples: Readonly<Record<string, readonly unknown[] | undefined>>) {
  return Object.fromEntries(Object.entries(samples).map(([name, values = []]) => [name, values]))
}

function keyOf(mapping: Mapping, column: string): NamingColumn {
  const sources: Readonly<Record<string, unknown>> = { ...mapping, ...mapping.extra }
  const source = sources[column]
  if (typeof source === 'object' && source !== null && 'path' in source) {
    return { column, path: source.path as readonly string[] } // As every source has.
  }
  const names = Object.keys(sources).filter((name) => !['extra', 'location', 'timestamp'].includes(name))
  throw new LakehouseError(
    'LAKEHOUSE_INVALID',
    `key: records have no ${column}; there is ${names.join(', ')}`,
  )
}

/** A list of the file is the default of its variable; without the list there is no variable. */
function settingOf(setting: Setting, lists: ListsOfRules): Setting[] {
  if (setting.kind !== 'names') return [setting]
  const list = lists[setting.parameter]
  if (list === undefined && !standardLakehouse.settings.includes(setting)) return [setting]
  return list === undefined ? [] : [withListDefault(setting, lists)]
}

function rulesText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new LakehouseError('PROJECT_INVALID', `the rules cannot be read: ${reason}`, { cause })
  }
}
