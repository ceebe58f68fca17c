// How far event time has come: by table, and by partition, with the one that holds the others back.
import type { LakehouseAnswer, LiveState } from '../../src/dashboard/api.ts'
import { count, duration, instant, seen, tableTitle } from '../format.ts'
import { Nothing } from '../parts/card.tsx'
import { Scroll } from '../parts/scroll.tsx'

const partitionsShownMax = 64

export function Partitions({
  state,
  lakehouse,
}: {
  readonly state: LiveState
  readonly lakehouse: LakehouseAnswer
}) {
  const tables = lakehouse.tables.flatMap(({ path }) => {
    const at = state.tables[path]?.watermarkMs
    return at == null ? [] : [{ path, at }]
  })
  if (tables.length === 0) return <Nothing>No watermark yet: it begins with the first valid record.</Nothing>
  return (
    <Scroll label="Watermarks" isShort>
      <table>
        <thead>
          <tr>
            <th scope="col">of</th>
            <th scope="col">event time, UTC</th>
            <th scope="col" class="number">
              behind now
            </th>
            <th scope="col" class="number">
              waiting
            </th>
          </tr>
        </thead>
        <tbody>
          {state.partitions
            .slice(0, partitionsShownMax)
            .map(({ topic, partition, eventTimeMs, lagRecords, holdsBack }) => (
              <tr key={`${topic} ${partition}`} class={holdsBack ? 'holds' : ''}>
                <th scope="row">
                  {seen(topic)} {partition} {holdsBack && <span class="pill warn">holds back</span>}
                </th>
                <td>{instant(eventTimeMs)}</td>
                <td class="number">{eventTimeMs === null ? '–' : duration(state.asOfMs - eventTimeMs)}</td>
                <td class="number">{count(lagRecords)}</td>
              </tr>
            ))}
          {tables.map(({ path, at }) => (
            <tr key={path}>
              <th scope="row">{tableTitle(path)}</th>
              <td>{instant(at)}</td>
              <td class="number">{duration(state.asOfMs - at)}</td>
              <td class="number" />
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}
