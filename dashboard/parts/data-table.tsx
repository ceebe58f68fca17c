// Rows of a query as a table: cells are text, and scroll sideways where they are too wide.
import type { RowsAnswer } from '../../src/dashboard/api.ts'
import { seen } from '../format.ts'
import { Nothing } from './card.tsx'
import { Scroll } from './scroll.tsx'

const rowsShownMax = 200
const cellLengthMax = 300

export function isNumeric(type: string): boolean {
  return /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|FLOAT|DECIMAL)/.test(type)
}

export function DataTable({ label, answer }: { readonly label: string; readonly answer: RowsAnswer }) {
  const { columns, rows, isCut } = answer
  if (rows.length === 0) return <Nothing>No rows.</Nothing>
  const more = rows.length > rowsShownMax || isCut
  return (
    <>
      <Scroll label={label}>
        <table>
          <thead>
            <tr>
              {columns.map(({ name, type }) => (
                <th key={name} scope="col" class={isNumeric(type) ? 'number' : ''} title={type}>
                  {seen(name)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, rowsShownMax).map((row, index) => (
              <tr key={index}>
                {row.map((cell, column) => (
                  <td key={columns[column]!.name} class={isNumeric(columns[column]!.type) ? 'number' : ''}>
                    {cell === null ? (
                      <span class="null">null</span>
                    ) : (
                      <bdi>{seen(cell.slice(0, cellLengthMax))}</bdi>
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p class="note">
        {more
          ? `The first ${Math.min(rows.length, rowsShownMax)} rows; there are more.`
          : `${rows.length} rows.`}
      </p>
    </>
  )
}
