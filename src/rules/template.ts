// What a rule says of a row: text with the names of columns in braces, kept as data. One function fills it
// in, so that it reads the same whichever engine computed the row.
import { likelyName } from '../errors/nearest-name.ts'
import type { ColumnType, Schema, Value } from '../expr/index.ts'
import type { DefinedRule, Sentence, SentencePart } from '../plan/index.ts'
import type { Tell } from './mistake.ts'
import { kindOfType, typeName } from './typed.ts'

/** What stands for a value that is not there. */
export const unknownValue = 'unknown'

/** `{{` and `}}` are braces. null where there are mistakes, which are told with their offsets in `source`. */
export function parseTemplate(source: string, columns: Schema, tell: Tell): Sentence | null {
  const parts: SentencePart[] = []
  let text = ''
  let isRight = true
  const mistake = (at: number, message: string): void => {
    tell(at, message)
    isRight = false
  }
  if (source.trim() === '') mistake(0, 'a sentence is expected, for example: "{amount} is more than 5000"')
  if (!source.isWellFormed() || source.includes('\0')) {
    mistake(0, 'the text holds half of a surrogate pair, or U+0000')
  }
  for (let at = 0; at < source.length; ) {
    const character = source[at]!
    if ((character === '{' || character === '}') && source[at + 1] === character) {
      text += character
      at += 2
    } else if (character === '}') {
      mistake(at, 'this } closes nothing: write }} for a brace')
      at++
    } else if (character === '{') {
      const end = source.indexOf('}', at)
      const name = end < 0 ? '' : source.slice(at + 1, end)
      const problem = end < 0 ? 'this { is never closed: write {{ for a brace' : nameProblem(name, columns)
      if (problem !== null) mistake(at, problem)
      if (end < 0) break
      if (text !== '') parts.push({ kind: 'text', text })
      text = ''
      parts.push({ kind: 'column', name, type: columns[name] ?? 'string' })
      at = end + 1
    } else {
      text += character
      at++
    }
  }
  if (text !== '') parts.push({ kind: 'text', text })
  return isRight ? parts : null
}

function nameProblem(name: string, columns: Schema): string | null {
  if (!/^\w+$/.test(name))
    return 'a name is expected between braces, as in {amount}: nothing is calculated there'
  const type = Object.hasOwn(columns, name) ? columns[name] : undefined
  if (type !== undefined) {
    return kindOfType(type) === null ? `${name} is of type ${typeName(type)}, which has no text` : null
  }
  const meant = likelyName(name, Object.keys(columns))
  const names = `names are ${Object.keys(columns).join(', ')}`
  return `there is no ${name}${meant === null ? `; ${names}` : `: did you mean ${meant}?`}`
}

/** The sentence about one row; `textOf` gives the text of a column's value, null where it has none. */
export function filledSentence(
  sentence: Sentence,
  textOf: (name: string, type: ColumnType) => string | null,
): string {
  return sentence
    .map((part) => (part.kind === 'text' ? part.text : (textOf(part.name, part.type) ?? unknownValue)))
    .join('')
}

/** What the rule of today says of a row; a rule that is gone says nothing. */
export function ruleSentence(
  rules: readonly DefinedRule[],
  name: string,
  textOf: (name: string) => string | null,
): { readonly rule: string; readonly points: number | null; readonly text: string } {
  const rule = rules.find((known) => known.name === name)
  if (rule === undefined) return { rule: name, points: null, text: '' }
  const text = rule.says === undefined ? rule.meaning : filledSentence(rule.says, textOf)
  return { rule: name, points: rule.points, text }
}

const places: Readonly<Partial<Record<ColumnType, number>>> = {
  'decimal(18,2)': 2,
  'decimal(28,2)': 2,
  'decimal(38,6)': 6,
}

/** The text of a value as expressions compute with it; null where there is none. */
export function textOfValue(type: ColumnType, value: Value): string | null {
  if (value === null) return null
  const scale = places[type]
  if (scale !== undefined) {
    const units = BigInt(value as number | bigint)
    const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0')
    return `${units < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  }
  if (type === 'date') return new Date(Number(value) * 86_400_000).toISOString().slice(0, 10)
  if (type === 'timestamp') {
    const micros = BigInt(value as number | bigint)
    const milliseconds = Number(micros / 1000n - (micros % 1000n < 0n ? 1n : 0n))
    const rest = String(((micros % 1000n) + 1000n) % 1000n).padStart(3, '0')
    return `${new Date(milliseconds).toISOString().slice(0, -1)}${rest}Z`
  }
  return String(value)
}
