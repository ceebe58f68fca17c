// Rules that do not fire for a person until a time.
import { and, column, type Expr, equals, isTrue, literal, not, or } from '../expr/index.ts'
import type { Lakehouse, Snooze } from '../plan/index.ts'
import { during } from './operators.ts'
import type { Rule, RuleSet } from './rule-set.ts'

/** The column that names a person, and its type. */
export type PersonColumn = { readonly name: string; readonly type: 'int' | 'long' | 'string' }

/** The column by which rules are snoozed. */
export function personColumn({ events, names }: Pick<Lakehouse, 'events' | 'names'>): PersonColumn {
  const name = names.person.column
  return { name, type: events.rows.schema[name] as PersonColumn['type'] } // As every mapping has it.
}

/** A person whose name is none of the column's type is nobody. */
export function withSnoozes(rules: RuleSet, snoozes: readonly Snooze[], person: PersonColumn): RuleSet {
  const snoozed = (rule: Rule): Rule => {
    const isSnoozed = snoozes
      .filter((one) => one.rule === rule.name)
      .flatMap((one) => {
        const isIt = isPerson(person, one.person)
        return isIt === null ? [] : [during(one, isIt)]
      })
    if (isSnoozed.length === 0) return rule
    const isAwake = not(isTrue(isSnoozed.length === 1 ? isSnoozed[0]! : or(...isSnoozed)))
    return { ...rule, fires: and(rule.fires, isAwake), value: and(rule.value, isAwake) }
  }
  return { ...rules, rules: rules.rules.map(snoozed) }
}

/** null for a text that is no value of the column. */
export function isPerson({ name, type }: PersonColumn, text: string): Expr<'boolean'> | null {
  if (type === 'string') return equals(column(name, type), literal(type, text))
  if (!/^-?\d{1,19}$/.test(text)) return null
  const value = BigInt(text)
  if (value !== BigInt.asIntN(type === 'int' ? 32 : 64, value)) return null
  return type === 'int'
    ? equals(column(name, type), literal(type, Number(value)))
    : equals(column(name, type), literal(type, value))
}
