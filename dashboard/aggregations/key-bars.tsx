import type { RowsAnswer } from '../../src/dashboard/api.ts'
import { shortCount } from '../format.ts'
import { Bars } from '../parts/bars.tsx'
import { Nothing } from '../parts/card.tsx'
import type { Keys } from '../server.ts'
import type { WindowTable } from './page.tsx'

type KeyBarsProps = {
  readonly table: WindowTable
  readonly rows: RowsAnswer
  readonly by: string
  readonly chosen: Keys
  readonly onChoose: (keys: Keys) => void
}

const shownMax = 20

export function KeyBars({ table, rows, by, chosen, onChoose }: KeyBarsProps) {
  const { keys } = table.windows
  const cellOf = (row: RowsAnswer['rows'][number], name: string): string | null => {
    return row[rows.columns.findIndex((column) => column.name === name)] ?? null
  }
  if (rows.rows.length === 0) return <Nothing>No rows.</Nothing>
  const all = rows.rows.slice(0, shownMax).map((row) => {
    const key = Object.fromEntries(keys.map((name) => [name, cellOf(row, name)]))
    const value = Number(cellOf(row, by) ?? 0)
    return { key, bar: { name: nameOf(key), value, text: shortCount(value) } }
  })
  return (
    <Bars
      label="By key"
      bars={all.map(({ bar }) => bar)}
      chosen={nameOf(chosen)}
      onChoose={(name) => onChoose(all.find(({ bar }) => bar.name === name)!.key)}
    />
  )
}

function nameOf(key: Keys): string {
  return (
    Object.values(key)
      .map((value) => value ?? 'null')
      .join(', ') || 'all'
  )
}
