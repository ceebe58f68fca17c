import type { RowsAnswer } from '../../src/dashboard/api.ts'
import { shortCount, shortInstant } from '../format.ts'
import { Card, Nothing } from '../parts/card.tsx'
import { Scroll } from '../parts/scroll.tsx'
import { type FigureName, figureTitle } from './figure.tsx'

/** What was far from usual, the newest first. */
export function Anomalies({
  answer,
  chosen,
  onChoose,
}: {
  readonly answer: RowsAnswer
  readonly chosen: FigureName
  readonly onChoose: (figure: FigureName) => void
}) {
  const number = (cell: string | null | undefined): string => shortCount(cell == null ? null : Number(cell))
  return (
    <Card title="Far from usual" asOfMs={answer.asOfMs} note="choose one to see it over time">
      {answer.rows.length === 0 ? (
        <Nothing>Nothing was.</Nothing>
      ) : (
        <Scroll label="Figures far from usual">
          <table class="figures">
            <thead>
              <tr>
                <th scope="col">window, UTC</th>
                <th scope="col">figure</th>
                <th scope="col" class="number">
                  found
                </th>
                <th scope="col" class="number">
                  expected
                </th>
                <th scope="col" class="number">
                  spreads away
                </th>
              </tr>
            </thead>
            <tbody>
              {answer.rows.map(([at, column = null, metric, value, expected, score]) => {
                const figure = { column, metric: metric! }
                const isIt = figure.column === chosen.column && figure.metric === chosen.metric
                return (
                  <tr key={`${at} ${column} ${metric}`}>
                    <td>{shortInstant(at!).slice(0, 16)}</td>
                    <td>
                      <button type="button" class="link" aria-pressed={isIt} onClick={() => onChoose(figure)}>
                        {figureTitle(figure)}
                      </button>
                    </td>
                    <td class="number">{number(value)}</td>
                    <td class="number">{number(expected)}</td>
                    <td class="number">{number(score)}</td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  )
}
