// Values side by side, each a bar: a list whose items can be chosen.
import { seen } from '../format.ts'

export type Bar = {
  readonly name: string
  readonly value: number
  readonly text: string
  readonly tone?: string
}

type BarsProps = {
  readonly label: string
  readonly bars: readonly Bar[]
  readonly chosen?: string | null
  readonly onChoose?: (name: string) => void
}

export function Bars({ label, bars, chosen = null, onChoose }: BarsProps) {
  const most = Math.max(...bars.map(({ value }) => value), 0)
  return (
    <ul class="bars" aria-label={label}>
      {bars.map(({ name, value, text, tone }) => {
        const width = `${most > 0 ? Math.max(0, (100 * value) / most) : 0}%`
        const inside = (
          <>
            <span class="bar-name">
              <bdi>{seen(name)}</bdi>
            </span>
            <span class="bar-track">
              <span class={`bar ${tone ?? ''}`} style={{ width }} />
            </span>
            <span class="bar-value">{text}</span>
          </>
        )
        if (onChoose === undefined) return <li key={name}>{inside}</li>
        return (
          <li key={name}>
            <button type="button" aria-pressed={name === chosen} onClick={() => onChoose(name)}>
              {inside}
            </button>
          </li>
        )
      })}
    </ul>
  )
}
