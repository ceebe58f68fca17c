// What is refused: by hour, by reason, and the last records of a reason.
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { LakehouseAnswer, RowsAnswer } from '../../src/dashboard/api.ts'
import { count, shortCount } from '../format.ts'
import { Bars } from '../parts/bars.tsx'
import { Card, Failed, Nothing } from '../parts/card.tsx'
import { Chart } from '../parts/chart.tsx'
import { DataTable } from '../parts/data-table.tsx'
import { loadRefused, session } from '../server.ts'
import { useStore } from '../store.ts'

/** Reasons with a line of their own: those with most records. */
const linesMax = 5
const hourSeconds = 3_600
/** A line needs hours before. */
const hoursMin = 6

export function Refusals({
  lakehouse,
  answer,
}: {
  readonly lakehouse: LakehouseAnswer
  readonly answer: RowsAnswer
}) {
  const [reason, setReason] = useState<string | null>(null)
  const { totals, columns } = useMemo(() => byHour(answer), [answer])
  const lines = totals.slice(0, linesMax).map(([label], index) => ({ label, colour: index + 1 }))
  return (
    <>
      <Card title="Refused records by hour" asOfMs={answer.asOfMs} note="the last two days with some">
        {totals.length === 0 ? (
          <Nothing>No record was refused.</Nothing>
        ) : (
          <Chart
            label="Refused records by hour and reason"
            lines={lines}
            columns={columns}
            format={shortCount}
            height={220}
          />
        )}
      </Card>
      <Card title="By reason" note="choose one to see its last records" asOfMs={answer.asOfMs}>
        {totals.length === 0 && <Nothing>No record was refused.</Nothing>}
        <Bars
          label="Refused records by reason"
          bars={totals.map(([name, value]) => ({ name, value, text: count(value), tone: 'warn' }))}
          chosen={reason}
          onChoose={setReason}
        />
        {reason !== null && lakehouse.reasons[reason] !== undefined && (
          <p class="note">
            {reason}: {lakehouse.reasons[reason]}
          </p>
        )}
      </Card>
      {reason !== null && <Samples key={reason} reason={reason} />}
    </>
  )
}

function Samples({ reason }: { readonly reason: string }) {
  const who = useStore(session)
  const [answer, setAnswer] = useState<RowsAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  useEffect(() => {
    loadRefused(reason).then(setAnswer, (error: Error) => setFailure(error.message))
  }, [reason])
  const isMasked = who?.user?.seesIds === false
  return (
    <Card
      title={`The last records refused as ${reason}`}
      {...(answer === null ? {} : { asOfMs: answer.asOfMs })}
      {...(isMasked ? { note: 'the bytes of records are left out for your role' } : {})}
      className="wide"
    >
      {failure !== null && <Failed message={failure} />}
      {answer === null ? (
        <Nothing>Reading the table.</Nothing>
      ) : (
        <DataTable label={`Records refused as ${reason}`} answer={answer} />
      )}
    </Card>
  )
}

/** The reasons with how many records each has, and a column of hours for each of the first. */
function byHour({ rows }: RowsAnswer) {
  if (rows.length === 0) return { totals: [], columns: [] }
  const sums = new Map<string, number>()
  const at = new Map<string, number>()
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const [hour, reason, records] of rows) {
    const seconds = Date.parse(hour!) / 1000
    sums.set(reason!, (sums.get(reason!) ?? 0) + Number(records))
    at.set(`${seconds} ${reason}`, Number(records))
    first = Math.min(first, seconds)
    last = Math.max(last, seconds)
  }
  const totals = [...sums].toSorted(([, a], [, b]) => b - a)
  const hours: number[] = []
  for (let hour = Math.min(first, last - hoursMin * hourSeconds); hour <= last; hour += hourSeconds)
    hours.push(hour)
  const lines = totals
    .slice(0, linesMax)
    .map(([reason]) => hours.map((hour) => at.get(`${hour} ${reason}`) ?? 0))
  return { totals, columns: [hours, ...lines] }
}
