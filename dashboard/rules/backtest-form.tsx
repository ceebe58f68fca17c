// What the rules would have decided of the transactions that are there.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { BacktestAnswer } from '../../src/dashboard/api.ts'
import { Card, Failed } from '../parts/card.tsx'
import { runBacktest, session } from '../server.ts'
import { useStore } from '../store.ts'
import { PrecisionCurve } from './precision-curve.tsx'
import { ReportSections } from './report-sections.tsx'

export function BacktestForm({ text }: { readonly text: string }) {
  const who = useStore(session)
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const [capacity, setCapacity] = useState('')
  const [answer, setAnswer] = useState<BacktestAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(false)
  const running = useRef<AbortController | null>(null)
  useEffect(() => () => running.current?.abort(), [])
  const mayTry = who?.user?.seesIds === true
  const run = async (event: Event): Promise<void> => {
    event.preventDefault()
    running.current?.abort()
    const stop = new AbortController()
    running.current = stop
    setBusy(true)
    setFailure(null)
    const reviews = capacity === '' ? null : Number(capacity)
    try {
      setAnswer(await runBacktest({ text, from, to, capacity: reviews }, stop.signal))
    } catch (error) {
      if (!stop.signal.aborted) setFailure((error as Error).message)
    } finally {
      if (running.current === stop) setBusy(false)
    }
  }
  return (
    <Card
      title="Back-test"
      note="these rules beside the active ones, on the transactions that are there"
      className="backtest"
      {...(answer === null ? {} : { asOfMs: answer.asOfMs })}
    >
      <form class="row" onSubmit={(event) => void run(event)}>
        <Field label="From" type="date" value={from} onValue={setFrom} />
        <Field label="To" type="date" value={to} onValue={setTo} />
        <Field label="Reviews a day" type="number" value={capacity} onValue={setCapacity} />
        <button type="submit" class="primary" disabled={isBusy || !mayTry}>
          {isBusy ? 'Running' : 'Run'}
        </button>
        {!mayTry && <span class="note">An analyst may run it.</span>}
        {answer !== null && <span class="note">{answer.ms} ms</span>}
      </form>
      {failure !== null && <Failed message={failure} />}
      {answer !== null && <Report answer={answer} />}
    </Card>
  )
}

type FieldProps = {
  readonly label: string
  readonly type: 'date' | 'number'
  readonly value: string
  readonly onValue: (value: string) => void
}

function Field({ label, type, value, onValue }: FieldProps) {
  return (
    <label>
      <span>{label}</span>
      <input
        type={type}
        {...(type === 'number' ? { min: 0, step: 1, inputMode: 'numeric' as const } : {})}
        value={value}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
    </label>
  )
}

function Report({ answer }: { readonly answer: BacktestAnswer }) {
  return (
    <div class="backtest-report">
      <PrecisionCurve curves={answer.curves} />
      <ReportSections sections={answer.sections} />
    </div>
  )
}
