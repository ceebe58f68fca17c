// Rows as a picture: lines over a first column that is a time, bars for all else.
import { useMemo } from 'preact/hooks'
import type { RowsAnswer } from '../../src/dashboard/api.ts'
import { shortCount } from '../format.ts'
import { Bars } from '../parts/bars.tsx'
import { Nothing } from '../parts/card.tsx'
import { Chart } from '../parts/chart.tsx'
import { isNumeric } from '../parts/data-table.tsx'

const linesMax = 6
const barsMax = 40

export function ResultChart({ answer }: { readonly answer: RowsAnswer }) {
  const { columns, rows } = answer
  const numbers = columns.flatMap(({ type }, index) => (isNumeric(type) ? [index] : []))
  const time = columns.findIndex(({ type }) => /^(?:TIMESTAMP|DATE)/.test(type))
  const drawn = useMemo(() => {
    if (time < 0) return null
    const sorted = rows.filter((row) => row[time] !== null).toSorted((a, b) => (a[time]! < b[time]! ? -1 : 1))
    const at = sorted.map((row) => Date.parse(row[time]!) / 1000)
    return [
      at,
      ...numbers.slice(0, linesMax).map((index) => sorted.map((row) => numberOf(row[index] ?? null))),
    ]
  }, [answer])
  if (numbers.length === 0) return <Nothing>There is no column of numbers to draw.</Nothing>
  if (drawn !== null) {
    const lines = numbers
      .slice(0, linesMax)
      .map((index, line) => ({ label: columns[index]!.name, colour: 1 + line }))
    return <Chart label="Rows over time" lines={lines} columns={drawn} format={shortCount} height={260} />
  }
  const name = columns.findIndex((_, index) => !numbers.includes(index))
  const bars = rows.slice(0, barsMax).map((row, index) => {
    const value = numberOf(row[numbers[0]!] ?? null) ?? 0
    return { name: name < 0 ? String(index + 1) : (row[name] ?? 'null'), value, text: shortCount(value) }
  })
  return <Bars label={`${columns[numbers[0]!]!.name} of each row`} bars={bars} />
}

function numberOf(text: string | null): number | null {
  const value = text === null ? Number.NaN : Number(text)
  return Number.isFinite(value) ? value : null
}
