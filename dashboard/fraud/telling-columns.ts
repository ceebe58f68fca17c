// Which columns tell a transaction at a glance: its money first, then what else is short text.
import type { LakehouseAnswer } from '../../src/dashboard/api.ts'

const shownMax = 5

export function tellingColumns({ tables, roles, names }: LakehouseAnswer): readonly string[] {
  const columns = tables.find(({ path }) => path === roles.scored)?.columns ?? []
  const money = columns.filter(({ type }) => type.startsWith('decimal')).map(({ name }) => name)
  const hidden = new Set([names.event, names.person, 'topic', 'risk_level'])
  const texts = columns
    .filter(({ name, type }) => type === 'string' && !hidden.has(name) && !name.endsWith('_id'))
    .map(({ name }) => name)
  return [...money.slice(0, 1), ...texts, names.person].slice(0, shownMax)
}
