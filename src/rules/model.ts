// The model of a set of rules: a file beside rules.yaml, and what each of its features is of a row.
import { hash } from 'node:crypto'
import { likelyName } from '../errors/nearest-name.ts'
import {
  asDouble,
  type Expr,
  equals,
  literal,
  modelScore,
  nullOf,
  type Schema,
  text as textLiteral,
  when,
} from '../expr/index.ts'
import { type ModelFeature, modelText, readModel, type TreeModel } from '../model/index.ts'
import { compileValue } from './condition.ts'
import type { Scope } from './scope.ts'
import { exactTruth, kindNames, type Typed } from './typed.ts'
import type { Entry, YamlNode, YamlReader } from './yaml-reader.ts'

/** The text of a file beside the rules, or why it cannot be read. */
export type BesideFile =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'absent'; readonly path: string | null; readonly reason: string }

export type ScoringModel = {
  /** Its name beside the rules. */
  readonly file: string
  /** In the order of the model. */
  readonly features: readonly ScoredFeature[]
  /** The probability that a row is fraud. */
  readonly score: Expr<'double'>
}

export type ScoredFeature = Pick<ModelFeature, 'name' | 'kind'> & {
  /** What the model gets of a row; null is missing. Of a category its number. */
  readonly value: Expr<'double'>
}

/** The column that holds what a model gives. */
export const modelScoreColumn = 'model_score'

const plainFile = /^(?:\.\/)?([A-Za-z0-9_][A-Za-z0-9_.-]*)$/
const namedByContent = /-([0-9a-f]{24})\.[a-z]+$/
/** Each text of a category is a comparison. */
const categoriesMax = 300

/** The name of a model that is kept beside rules says what is in it: it never means two models. */
export function modelFileName(text: string, extension: 'txt' | 'json'): string {
  return `model-${digestOf(text)}.${extension}`
}

/** Whether the text is that of which the name of the file says that it is in it. */
export function isModelFile(file: string, text: string): boolean {
  return namedByContent.exec(file)?.[1] === digestOf(text)
}

/** The names of files of models in the text of rules, whatever it says of them. */
export function modelFilesIn(rules: string): readonly string[] {
  return rules.match(/[A-Za-z0-9_][A-Za-z0-9_.-]*-[0-9a-f]{24}\.[a-z]+\b/g) ?? []
}

function digestOf(text: string): string {
  return hash('sha256', text).slice(0, 24)
}

export class ModelReader {
  readonly #yaml: YamlReader
  readonly #scope: Scope
  readonly #beside: (file: string) => BesideFile

  constructor(yaml: YamlReader, scope: Scope, beside: (file: string) => BesideFile) {
    this.#yaml = yaml
    this.#scope = scope
    this.#beside = beside
  }

  /** null where there were mistakes, which are told. */
  read(node: YamlNode): ScoringModel | null {
    const what = 'a model with file and features'
    const keys = this.#yaml.known(node, what, ['file', 'features'], ['file'])
    if (keys?.file === undefined) return null
    const given = this.#yaml.text(keys.file.value, 'the name of a file beside the rules')
    const model = given && this.#model(given.text, keys.file.value)
    if (!given || model === null) return null
    const entries =
      keys.features === undefined ? [] : this.#yaml.entries(keys.features.value, 'features by their names')
    if (entries === null) return null
    for (const { name, at } of entries) this.#checkName(name, at, model)
    const features = model.features.map((feature) => {
      const entry = entries.find(({ name }) => name === feature.name)
      const value =
        entry === undefined
          ? this.#column(feature, keys.features?.value ?? node)
          : this.#feature(feature, entry)
      return value === null ? null : { name: feature.name, kind: feature.kind, value }
    })
    if (features.some((one) => one === null)) return null
    const scored = features as readonly ScoredFeature[]
    const stored = literal('string', modelText(model))
    return {
      file: given.text,
      features: scored,
      score: modelScore(stored, ...scored.map((one) => one.value)),
    }
  }

  #model(file: string, node: YamlNode): TreeModel | null {
    const name = plainFile.exec(file)?.[1]
    if (name === undefined)
      return this.#yaml.tell(node, 'a model lies beside the rules: its name has no folder, as in ./model.txt')
    const found = this.#beside(name)
    if (found.kind === 'absent') return this.#yaml.tell(node, found.reason)
    // Rules are approved, and come back, by their text: it says which model it is.
    if (!isModelFile(name, found.text)) {
      const told = `the name of ${name} does not say what is in it`
      return this.#yaml.tell(node, `${told}: "assay model import ${name}" lays it there under one that does`)
    }
    const read = readModel(found.text)
    if (read.kind === 'model') return read.model
    const place = read.line === null ? name : `${name}:${read.line}`
    return this.#yaml.tell(node, `${place}: ${read.message}`)
  }

  #checkName(name: string, at: number, { features }: TreeModel): void {
    const names = features.map((feature) => feature.name)
    if (names.includes(name)) return
    const meant = likelyName(name, names)
    const advice = meant === null ? `its features are ${names.join(', ')}` : `did you mean ${meant}?`
    this.#yaml.tellAt(at, `the model has no feature ${name}: ${advice}`)
  }

  /** A feature of which nothing is said is the column of its name. */
  #column(feature: ModelFeature, node: YamlNode): Expr<'double'> | null {
    if (!Object.hasOwn(this.#scope.columns, feature.name)) {
      return this.#yaml.tell(
        node,
        `no column is called ${feature.name}: write under features what it is, as in ${feature.name}: amount`,
      )
    }
    const tell = (_: number, message: string): void => {
      this.#yaml.tell(node, `${feature.name}: ${message}`)
    }
    const typed = compileValue(feature.name, this.#scope, tell)
    return typed && this.#valueOf(feature, typed, feature.values, (message) => tell(0, message))
  }

  #feature(feature: ModelFeature, { value }: Entry): Expr<'double'> | null {
    let [node, categories] = [value, feature.values]
    if ('items' in value) {
      const keys = this.#yaml.known(
        value,
        'a feature with value and categories',
        ['value', 'categories'],
        ['value'],
      )
      if (keys?.value === undefined) return null
      node = keys.value.value
      if (keys.categories !== undefined) {
        categories = this.#categories(keys.categories.value)
        if (categories === null) return null
      }
    }
    const source = this.#yaml.text(node, 'what the feature is of a row, as in amount')
    const typed = source && compileValue(source.text, this.#scope, source.tell)
    return typed && this.#valueOf(feature, typed, categories, (message) => this.#yaml.tell(node, message))
  }

  #categories(node: YamlNode): readonly string[] | null {
    const items = this.#yaml.items(node, 'the texts of the categories, in the order of their numbers,')
    const texts = items?.map((item) => this.#yaml.text(item, 'a text')?.text ?? null) ?? [null]
    return texts.includes(null) ? null : (texts as readonly string[])
  }

  #valueOf(
    { name, kind }: ModelFeature,
    typed: Typed,
    categories: readonly string[] | null,
    tell: (message: string) => unknown,
  ): Expr<'double'> | null {
    const refuse = (message: string): null => {
      tell(message)
      return null
    }
    if (categories !== null && categories.length > categoriesMax && kind === 'category')
      return refuse(`${name} has ${categories.length} categories; more than ${categoriesMax} are not read`)
    if (typed.kind === 'number') {
      const { expr } = typed
      const number = expr.type === 'double' ? (expr as Expr<'double'>) : asDouble(expr as Expr<'int'>) // Of any type.
      return kind === 'category' && categories?.every(isNumber)
        ? numberOf(number, categories.map(Number))
        : number
    }
    if (typed.kind === 'truth' && kind === 'number') return truthNumber(exactTruth(typed))
    if (typed.kind === 'truth' && categories?.every((one) => one === 'true' || one === 'false'))
      return truthCategory(exactTruth(typed), categories)
    if (typed.kind !== 'text' || kind === 'number') {
      const wanted = kind === 'number' ? 'a number, or true or false' : 'a text, or the number of a category'
      return refuse(`the feature ${name} is ${wanted}, and this is ${kindNames[typed.kind]}`)
    }
    if (categories === null) {
      return refuse(
        `the file does not say which texts the categories of ${name} are: write ${name}: { value: .., categories: [..] } with all of them, in the order of their numbers`,
      )
    }
    const value = typed.expr as Expr<'string'>
    return when(
      categories.map((one, index) => [equals(value, textLiteral(one)), literal('double', index)] as const),
      nullOf('double'),
    )
  }
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text))
}

/** Its place among the categories, which are numbers. */
function numberOf(value: Expr<'double'>, categories: readonly number[]): Expr<'double'> {
  return when(
    categories.map(
      (one, index) => [equals(value, literal('double', one)), literal('double', index)] as const,
    ),
    nullOf('double'),
  )
}

function truthCategory(value: Expr<'boolean'>, categories: readonly string[]): Expr<'double'> {
  return when(
    categories.map((one, index) => {
      return [equals(value, literal('boolean', one === 'true')), literal('double', index)] as const
    }),
    nullOf('double'),
  )
}

function truthNumber(value: Expr<'boolean'>): Expr<'double'> {
  return when(
    [
      [value, literal('double', 1)],
      [equals(value, literal('boolean', false)), literal('double', 0)],
    ],
    nullOf('double'),
  )
}

/** What conditions may ask where there is a model. */
export function withModelScore(columns: Schema): Schema {
  return { ...columns, [modelScoreColumn]: 'double' }
}
