import { useMemo } from 'preact/hooks'
import type { RowsAnswer } from '../../src/dashboard/api.ts'
import { shortCount, words } from '../format.ts'
import { Chart } from '../parts/chart.tsx'

export function KeyLine({ answer, by }: { readonly answer: RowsAnswer; readonly by: string }) {
  const columns = useMemo(() => {
    const index = (name: string): number => answer.columns.findIndex((column) => column.name === name)
    const [at, value] = [index('window_start'), index(by)]
    const rows = answer.rows.toReversed()
    return [
      rows.map((row) => Date.parse(row[at] ?? '') / 1000),
      rows.map((row) => (row[value] == null ? null : Number(row[value]))),
    ]
  }, [answer, by])
  return (
    <Chart
      label={`${words(by)} over the windows`}
      lines={[{ label: words(by), colour: 1 }]}
      columns={columns}
      format={shortCount}
      height={220}
    />
  )
}
