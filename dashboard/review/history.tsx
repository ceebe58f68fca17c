// The person's last transactions around a case, with what was said of them.
import type { LakehouseAnswer, ReviewCase, ReviewContextAnswer } from '../../src/dashboard/api.ts'
import { duration, seen, words } from '../format.ts'
import { Level } from '../fraud/level.tsx'
import { placeOf } from '../fraud/matching.ts'
import { tellingColumns } from '../fraud/telling-columns.ts'
import { Scroll } from '../parts/scroll.tsx'
import { moneyColumnOf, moneyText } from './money.ts'

type HistoryProps = {
  readonly lakehouse: LakehouseAnswer
  readonly context: ReviewContextAnswer
  readonly one: ReviewCase
}

const columnsMax = 3

export function History({ lakehouse, context, one }: HistoryProps) {
  const money = moneyColumnOf(lakehouse)
  const columns = tellingColumns(lakehouse)
    .filter((name) => name !== money && name !== lakehouse.names.person)
    .slice(0, columnsMax)
  if (context.history.length === 0) return null
  const own = placeOf(one)
  const atMs = Date.parse(String(one.cells.event_time))
  return (
    <>
      <h3 class="case-part">Last transactions</h3>
      <Scroll label="Last transactions of the person" isShort>
        <table class="case-history">
          <thead>
            <tr>
              <th scope="col">when</th>
              {money !== null && (
                <th scope="col" class="number">
                  {words(money)}
                </th>
              )}
              <th scope="col">score</th>
              <th scope="col">verdict</th>
              {columns.map((name) => (
                <th key={name} scope="col">
                  {words(name)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {context.history.map((row) => (
              <tr key={placeOf(row)} class={placeOf(row) === own ? 'this' : ''}>
                <td>{placeOf(row) === own ? <b>this case</b> : apart(row.cells.event_time, atMs)}</td>
                {money !== null && <td class="number">{moneyText(row.cells[money])}</td>}
                <td>
                  <Level row={row} />
                </td>
                <td>{row.verdict === null ? '' : <VerdictPill verdict={row.verdict} />}</td>
                {columns.map((name) => (
                  <td key={name}>
                    <bdi>{seen(String(row.cells[name] ?? '–').slice(0, 80))}</bdi>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </>
  )
}

function apart(time: unknown, atMs: number): string {
  const ms = Date.parse(String(time)) - atMs
  if (ms === 0) return 'at once'
  return `${duration(Math.abs(ms))} ${ms < 0 ? 'before' : 'after'}`
}

const tones: Readonly<Record<string, string>> = { fraud: 'bad', legitimate: 'good' }

export function VerdictPill({ verdict }: { readonly verdict: string }) {
  return <span class={`pill ${tones[verdict] ?? ''}`}>{seen(verdict)}</span>
}
