import type { LakehouseAnswer, RowsAnswer } from '../../src/dashboard/api.ts'
import { count } from '../format.ts'
import { Card } from '../parts/card.tsx'
import { linkTo } from '../router.ts'

/** Every record is in exactly one of the two. */
export function Conservation({
  lakehouse: { roles },
  answer,
}: {
  readonly lakehouse: LakehouseAnswer
  readonly answer: RowsAnswer
}) {
  const [records = 0, events = 0, refused = 0] = (answer.rows[0] ?? []).map(Number)
  const left = records - events - refused
  return (
    <Card title="Every record is in one of two tables" asOfMs={answer.asOfMs} className="wide conservation">
      <p class="sum">
        <Part path={roles.records} rows={records} /> <span class="sign">=</span>
        <Part path={roles.events} rows={events} /> <span class="sign">+</span>
        <Part path={roles.refused} rows={refused} />
      </p>
      <p>
        {left === 0 && <span class="pill good">it adds up</span>}
        {left > 0 && (
          <span class="pill warn">
            {count(left)} are in {roles.records} and not carried on yet
          </span>
        )}
        {left < 0 && (
          <span class="pill warn">
            {count(-left)} are not in {roles.records} any more: its retention has dropped their days
          </span>
        )}
      </p>
    </Card>
  )
}

function Part({ path, rows }: { readonly path: string; readonly rows: number }) {
  return (
    <a href={linkTo('tables', path)}>
      <b>{count(rows)}</b> <span class="mono">{path}</span>
    </a>
  )
}
