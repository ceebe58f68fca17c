// The quality of the data: is every record somewhere, what is refused and why, and what of silver is unusual.
import { useEffect, useState } from 'preact/hooks'
import type { LakehouseAnswer, QualityAnswer } from '../../src/dashboard/api.ts'
import { Failed, Nothing } from '../parts/card.tsx'
import { loadQuality } from '../server.ts'
import { Anomalies } from './anomalies.tsx'
import { Columns } from './columns.tsx'
import { Conservation } from './conservation.tsx'
import { Drift } from './drift.tsx'
import { FigureCard, type FigureName } from './figure.tsx'
import { Refusals } from './refusals.tsx'

const againMs = 15_000

export function QualityPage({ lakehouse }: { readonly lakehouse: LakehouseAnswer }) {
  const [quality, setQuality] = useState<QualityAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [figure, setFigure] = useState<FigureName>({ column: null, metric: 'row_count' })
  useEffect(() => {
    const load = (): void => {
      loadQuality().then(
        (answer) => {
          setQuality(answer)
          setFailure(null)
        },
        (error: Error) => setFailure(error.message),
      )
    }
    load()
    const timer = setInterval(load, againMs)
    return () => clearInterval(timer)
  }, [])
  if (quality === null)
    return failure === null ? <Nothing>Reading the tables.</Nothing> : <Failed message={failure} />
  const { newest, anomalies } = quality
  return (
    <div class="page quality">
      <h1 class="hidden">Quality</h1>
      {failure !== null && <Failed message={failure} />}
      <Conservation lakehouse={lakehouse} answer={quality.conservation} />
      <Refusals lakehouse={lakehouse} answer={quality.refusals} />
      {quality.drift !== null && <Drift answer={quality.drift} />}
      {newest === null || anomalies === null ? (
        <Nothing>This lakehouse measures no columns.</Nothing>
      ) : (
        <>
          <Anomalies answer={anomalies} chosen={figure} onChoose={setFigure} />
          <FigureCard figure={figure} asOfMs={newest.asOfMs} />
          <Columns lakehouse={lakehouse} answer={newest} chosen={figure} onChoose={setFigure} />
        </>
      )}
    </div>
  )
}
