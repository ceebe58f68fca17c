import { duration } from '../format.ts'
import { Bars } from '../parts/bars.tsx'
import { Nothing } from '../parts/card.tsx'

const shownMax = 10

export function PhaseBars({ phases }: { readonly phases: Readonly<Record<string, number>> }) {
  const bars = Object.entries(phases)
    .sort(([, a], [, b]) => b - a)
    .slice(0, shownMax)
    .map(([name, value]) => ({ name, value, text: duration(value) }))
  if (bars.length === 0) return <Nothing>No batch in the last minute.</Nothing>
  return <Bars label="Milliseconds of a batch by phase" bars={bars} />
}
