import type { TableDetailAnswer } from '../../src/dashboard/api.ts'
import { bytes, count, instant } from '../format.ts'
import { Card, Nothing } from '../parts/card.tsx'
import { Scroll } from '../parts/scroll.tsx'

export function TableDetail({
  detail,
  meaning,
}: {
  readonly detail: TableDetailAnswer
  readonly meaning: string
}) {
  if (!detail.exists) {
    return (
      <Card title={detail.path} asOfMs={detail.asOfMs}>
        <Nothing>Not written yet. {meaning}</Nothing>
      </Card>
    )
  }
  return (
    <>
      <Card title={detail.path} note={meaning} asOfMs={detail.asOfMs}>
        <dl class="facts across">
          <Fact name="version" value={detail.version ?? '–'} />
          <Fact name="rows" value={detail.rows === null ? 'unknown' : count(Number(detail.rows))} />
          <Fact name="files" value={count(detail.files)} />
          <Fact name="size" value={bytes(Number(detail.bytes))} />
          <Fact name="partitioned by" value={detail.partitionedBy.join(', ') || 'nothing'} />
          <Fact name="created" value={instant(detail.createdMs)} />
          {Object.entries(detail.properties).map(([name, value]) => (
            <Fact key={name} name={name.replace(/^delta\./, '')} value={value} />
          ))}
        </dl>
      </Card>
      <Card title="Columns">
        <Columns detail={detail} />
      </Card>
      <Card title="History" note="the newest versions first">
        <History detail={detail} />
      </Card>
    </>
  )
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

function Columns({ detail }: { readonly detail: TableDetailAnswer }) {
  return (
    <ul class="columns">
      {detail.columns.map(({ name, type }) => (
        <li key={name}>
          <span class="mono">{name}</span> <span class="note">{type}</span>
        </li>
      ))}
    </ul>
  )
}

function History({ detail }: { readonly detail: TableDetailAnswer }) {
  return (
    <Scroll label="History" isShort>
      <table>
        <thead>
          <tr>
            <th scope="col" class="number">
              version
            </th>
            <th scope="col">time, UTC</th>
            <th scope="col">operation</th>
            <th scope="col" class="number">
              rows
            </th>
            <th scope="col" class="number">
              files added
            </th>
            <th scope="col" class="number">
              removed
            </th>
          </tr>
        </thead>
        <tbody>
          {detail.history.map((entry) => (
            <tr key={entry.version}>
              <td class="number">{entry.version}</td>
              <td>{instant(entry.atMs)}</td>
              <td>{entry.operation}</td>
              <td class="number">{entry.rows}</td>
              <td class="number">{entry.filesAdded}</td>
              <td class="number">{entry.filesRemoved}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}
