// The parts of a report: lines, and a table where there is one.
import type { BacktestAnswer } from '../../src/dashboard/api.ts'
import { seen } from '../format.ts'
import { Scroll } from '../parts/scroll.tsx'

export function ReportSections({ sections }: Pick<BacktestAnswer, 'sections'>) {
  return (
    <>
      {sections.map(({ title, lines, rows }) => (
        <section key={title} aria-label={title}>
          <h3>{title}</h3>
          {lines.length > 0 && (
            <ul class="changes">
              {lines.map((line) => (
                <li key={line}>{seen(line)}</li>
              ))}
            </ul>
          )}
          {rows !== null && (
            <Scroll label={title}>
              <table>
                <thead>
                  <tr>
                    {rows.names.map((name, column) => (
                      <th key={column} scope="col" class={rows.isRight[column] ? 'number' : ''}>
                        {name === '' ? <span class="hidden">figure</span> : seen(name)}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {rows.cells.map((cells, index) => (
                    <tr key={index}>
                      {cells.map((cell, column) => (
                        <td key={column} class={rows.isRight[column] ? 'number' : ''}>
                          <bdi>{seen(cell)}</bdi>
                        </td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          )}
        </section>
      ))}
    </>
  )
}
