// One figure of one column over the windows, with what was usual.
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { RowsAnswer } from '../../src/dashboard/api.ts'
import { shortCount, words } from '../format.ts'
import { Card, Failed, Nothing } from '../parts/card.tsx'
import { Chart } from '../parts/chart.tsx'
import { loadFigure } from '../server.ts'

/** The column is null where the figure is of the whole table. */
export type FigureName = { readonly column: string | null; readonly metric: string }

export function figureTitle({ column, metric }: FigureName): string {
  return column === null ? words(metric) : `${words(metric)} of ${column}`
}

export function FigureCard({
  figure,
  asOfMs,
}: {
  readonly figure: FigureName
  /** Read again with what else is on the page. */
  readonly asOfMs: number
}) {
  const [answer, setAnswer] = useState<RowsAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const { column, metric } = figure
  useEffect(() => {
    let isOver = false
    loadFigure(column, metric).then(
      (found) => !isOver && setAnswer(found),
      (error: Error) => !isOver && setFailure(error.message),
    )
    return () => {
      isOver = true
    }
  }, [column, metric, asOfMs])
  const columns = useMemo(() => columnsOf(answer), [answer])
  return (
    <Card
      title={figureTitle(figure)}
      note="every ten minutes, with what was expected"
      {...(answer === null ? {} : { asOfMs: answer.asOfMs })}
    >
      {failure !== null && <Failed message={failure} />}
      {answer === null || answer.rows.length === 0 ? (
        <Nothing>{answer === null ? 'Reading the table.' : 'No window has closed yet.'}</Nothing>
      ) : (
        <Chart
          label={`${figureTitle(figure)} over the windows`}
          lines={[
            { label: 'found', colour: 1 },
            { label: 'expected', colour: 3 },
          ]}
          columns={columns}
          format={shortCount}
          height={240}
        />
      )}
    </Card>
  )
}

function columnsOf(answer: RowsAnswer | null): readonly (readonly (number | null)[])[] {
  const rows = answer?.rows.toReversed() ?? []
  const number = (cell: string | null | undefined): number | null => (cell == null ? null : Number(cell))
  return [
    rows.map(([at]) => Date.parse(at!) / 1000),
    rows.map(([, value]) => number(value)),
    rows.map(([, , expected]) => number(expected)),
  ]
}
