// The text of a condition as a tree: parsed by cel-js, its messages put in our words.
import { type ASTNode, Environment, ParseError } from '@marcbachmann/cel-js'
import type { Tell } from './mistake.ts'

export type CelNode = ASTNode

/** Enough for people; a text beyond them would take more memory and stack than a rule is worth. */
const limits = { maxAstNodes: 2_000, maxDepth: 60, maxListElements: 1_000, maxCallArguments: 8 }

const environment = new Environment({ limits })

/** null where the text is no expression of CEL, which is told. */
export function parseCondition(source: string, tell: Tell): CelNode | null {
  if (source.trim() === '') {
    tell(0, 'a condition is expected, for example: amount > 5000')
    return null
  }
  try {
    return environment.parse(source).ast
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    const at = Math.min(error.range?.start ?? 0, source.length)
    tell(at, messageOf(source, at, error.summary))
    return null
  }
}

const signs: Readonly<Record<string, string>> = {
  RPAREN: ')',
  RBRACKET: ']',
  RBRACE: '}',
  COLON: ':',
  COMMA: ',',
  LPAREN: '(',
}

/** Words and signs of other languages, and what CEL has in their place. */
const replacements: Readonly<Record<string, string>> = {
  '=': 'write == to compare',
  and: 'write && for "and"',
  AND: 'write && for "and"',
  or: 'write || for "or"',
  OR: 'write || for "or"',
  '&': 'write && for "and"',
  '|': 'write || for "or"',
  between: 'write x >= a && x <= b',
  BETWEEN: 'write x >= a && x <= b',
  like: 'write contains, startsWith or endsWith, as in merchant.contains("gift")',
  LIKE: 'write contains, startsWith or endsWith, as in merchant.contains("gift")',
  is: 'write has(x) to ask whether there is a value, == to compare',
  IS: 'write has(x) to ask whether there is a value, == to compare',
  not: 'write ! for "not", as in !(country in lists.home)',
  NOT: 'write ! for "not", as in !(country in lists.home)',
  IN: 'write in, in lower case',
  '“': 'write straight quotes: "..."',
  '”': 'write straight quotes: "..."',
  '‘': "write straight quotes: '...'",
  '’': "write straight quotes: '...'",
  '#': 'a remark begins with // in a condition',
  $: 'names are written without $',
}

/** `at` is where the parser stopped. */
function messageOf(source: string, at: number, summary: string): string {
  const rest = source.slice(at)
  const word = /^(?:\w+|\P{C})/u.exec(rest)?.[0] ?? ''
  const before = /(\w+|<)\s*$/.exec(source.slice(0, at))?.[1]
  if (before === '<' && word === '>') return 'write != for "not equal"'
  if (before === 'not' || before === 'NOT') return `${shown(word)} is not expected here: ${replacements.not}`
  if (summary.startsWith('Unterminated')) return 'the text that begins here has no closing quote'
  if (summary.startsWith('Reserved identifier')) return `${word} is a word of CEL and no name`
  if (summary.startsWith('Invalid number')) return 'this is no number that a double holds'
  if (/^Invalid|escape/i.test(summary) && !summary.includes('token')) {
    return `this text cannot be read: ${summary.charAt(0).toLowerCase()}${summary.slice(1)}`
  }
  if (/exceeded|limit|max/i.test(summary)) return 'the condition is too long or too deep: make it two rules'
  const expected = signs[/Expected (\w+)/.exec(summary)?.[1] ?? '']
  const isEnd = rest.trim() === ''
  if (isEnd && expected !== undefined) return `the condition ends here, and a ${expected} is missing`
  if (isEnd) return 'the condition ends here, and a value is missing'
  const advice = replacements[word]
  if (advice !== undefined) return `${shown(word)} is not expected here: ${advice}`
  if (expected !== undefined) return `${expected} is expected here, and not ${shown(word)}`
  return `${shown(word)} is not expected here: a value is, or an operator between two`
}

const shown = (word: string): string => (word === '' ? 'this character' : JSON.stringify(word))
