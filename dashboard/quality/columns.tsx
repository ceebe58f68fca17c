// The columns of the events as they are, and how each looked in the newest window beside what was usual.
import type { LakehouseAnswer, RowsAnswer } from '../../src/dashboard/api.ts'
import { shortCount, shortInstant, words } from '../format.ts'
import { Card, Nothing } from '../parts/card.tsx'
import { Scroll } from '../parts/scroll.tsx'
import { type FigureName, figureTitle } from './figure.tsx'

const metrics = ['null_count', 'distinct_count', 'min', 'p50', 'mean', 'p95', 'max'] as const

type Cell = { readonly value: number; readonly expected: number | null; readonly isOdd: boolean }

export function Columns({
  lakehouse,
  answer,
  chosen,
  onChoose,
}: {
  readonly lakehouse: LakehouseAnswer
  readonly answer: RowsAnswer
  readonly chosen: FigureName
  readonly onChoose: (figure: FigureName) => void
}) {
  const events = lakehouse.tables.find(({ path }) => path === lakehouse.roles.events)
  const cells = cellsOf(answer)
  const [first] = answer.rows
  const rowCount = cells.get(keyOf({ column: null, metric: 'row_count' }))
  const window =
    first === undefined
      ? ''
      : `${shortInstant(first[0]!).slice(0, 16)} to ${shortInstant(first[1]!).slice(11, 16)}`
  return (
    <Card
      title={`The columns of ${lakehouse.roles.events}`}
      note={`${window}${rowCount === undefined ? '' : `, ${shortCount(rowCount.value)} rows`}; below, what was expected`}
      asOfMs={answer.asOfMs}
      className="wide"
    >
      {answer.rows.length === 0 && <Nothing>No window has closed yet.</Nothing>}
      <Scroll label="Columns and their figures">
        <table class="figures">
          <thead>
            <tr>
              <th scope="col">column</th>
              <th scope="col">type</th>
              {metrics.map((metric) => (
                <th key={metric} scope="col" class="number">
                  {words(metric)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {events?.columns.map(({ name, type }) => (
              <tr key={name}>
                <th scope="row" class="mono">
                  {name}
                </th>
                <td>{type}</td>
                {metrics.map((metric) => {
                  const figure = { column: name, metric }
                  const cell = cells.get(keyOf(figure))
                  return (
                    <td key={metric} class={`number ${cell?.isOdd === true ? 'odd' : ''}`}>
                      {cell !== undefined && (
                        <FigureButton figure={figure} cell={cell} chosen={chosen} onChoose={onChoose} />
                      )}
                    </td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Card>
  )
}

function FigureButton({
  figure,
  cell: { value, expected, isOdd },
  chosen,
  onChoose,
}: {
  readonly figure: FigureName
  readonly cell: Cell
  readonly chosen: FigureName
  readonly onChoose: (figure: FigureName) => void
}) {
  return (
    <button
      type="button"
      class="link"
      aria-pressed={keyOf(figure) === keyOf(chosen)}
      onClick={() => onChoose(figure)}
    >
      <span class="hidden">{figureTitle(figure)}: </span>
      {shortCount(value)}
      <span class="expected">
        <span class="hidden">{isOdd ? 'far from usual, ' : ''}expected </span>
        {shortCount(expected)}
      </span>
    </button>
  )
}

function keyOf({ column, metric }: FigureName): string {
  return `${metric} ${column ?? ''}`
}

function cellsOf({ rows }: RowsAnswer): ReadonlyMap<string, Cell> {
  return new Map(
    rows.map(([, , column = null, metric, value, expected, isOdd]) => [
      keyOf({ column, metric: metric! }),
      { value: Number(value), expected: expected == null ? null : Number(expected), isOdd: isOdd === 'true' },
    ]),
  )
}
