// Lines over time. The picture is drawn on a canvas; its last values stand in words for who does not see it.
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { useStore } from '../store.ts'
import { theme } from '../theme.ts'

export type Line = { readonly label: string; readonly colour: number }

type ChartProps = {
  readonly label: string
  readonly lines: readonly Line[]
  /** Seconds since the epoch, then the values of each line. */
  readonly columns: readonly (readonly (number | null)[])[]
  readonly format: (value: number | null) => string
  readonly height?: number
}

export function Chart({ label, lines, columns, format, height = 150 }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const shown = useStore(theme)
  const data = columns as uPlot.AlignedData
  const names = lines.map((line) => line.label).join()
  useEffect(() => {
    const box = place.current!
    const made = new uPlot(optionsOf(lines, format, box.clientWidth, height), data, box)
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height }))
    observer.observe(box)
    return () => {
      observer.disconnect()
      made.destroy()
    }
  }, [shown, names, height])
  useEffect(() => plot.current?.setData(data), [data])
  const last = (index: number): number | null => columns[index + 1]?.at(-1) ?? null
  return (
    <figure class="chart" aria-label={label}>
      <div ref={place} aria-hidden="true" />
      <figcaption>
        {lines.map((line, index) => (
          <span key={line.label} class="key">
            <i class={`swatch chart-${line.colour}`} /> {line.label} <b>{format(last(index))}</b>
          </span>
        ))}
      </figcaption>
    </figure>
  )
}

/** The day too, where it is another than that of the mark before. */
function timeText(seconds: number, before: number | null): string {
  const [day, time] = new Date(seconds * 1000).toISOString().split('T') as [string, string]
  const isOther = before !== null && !new Date(before * 1000).toISOString().startsWith(day)
  const shown = time.slice(0, seconds % 60 === 0 ? 5 : 8)
  return isOther ? `${shown}\n${day.slice(5)}` : shown
}

function optionsOf(
  lines: readonly Line[],
  format: (value: number | null) => string,
  width: number,
  height: number,
): uPlot.Options {
  const colours = getComputedStyle(document.documentElement)
  const colour = (name: string): string => colours.getPropertyValue(name).trim()
  const axis = {
    stroke: colour('--ink-soft'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  }
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    padding: [8, 8, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'UTC'),
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      {
        ...axis,
        space: 80,
        values: (_, splits) => splits.map((at, index) => timeText(at, splits[index - 1] ?? null)),
      },
      { ...axis, size: 62, space: 28, values: (_, values) => values.map(format) },
    ],
    series: [
      {},
      ...lines.map(
        (line, index): uPlot.Series => ({
          label: line.label,
          stroke: colour(`--chart-${line.colour}`),
          width: 1.75,
          points: { show: false },
          ...(index === 0 && lines.length === 1 ? { fill: `${colour(`--chart-${line.colour}`)}22` } : {}),
        }),
      ),
    ],
  }
}
