// Money as it is read: all digits of the decimal, in groups.
import type { LakehouseAnswer } from '../../src/dashboard/api.ts'

/** The first decimal column of the scored table, as the server takes it; null where it has none. */
export function moneyColumnOf({ tables, roles }: LakehouseAnswer): string | null {
  const columns = tables.find(({ path }) => path === roles.scored)?.columns ?? []
  return columns.find(({ type }) => type.startsWith('decimal'))?.name ?? null
}

export function moneyText(cell: unknown): string {
  if (cell === null || cell === undefined) return '–'
  const [whole = '', rest] = String(cell).split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return rest === undefined ? grouped : `${grouped}.${rest}`
}

const rounded = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export function lossText(loss: number | null): string {
  return loss === null ? '–' : rounded.format(loss)
}
