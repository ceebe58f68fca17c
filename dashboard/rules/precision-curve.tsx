// Precision over recall, a line for each set of rules.
import type { BacktestAnswer } from '../../src/dashboard/api.ts'

const [width, height, left, bottom, right] = [560, 260, 44, 34, 16]
const ticks = [0, 0.25, 0.5, 0.75, 1]

export function PrecisionCurve({ curves }: { readonly curves: BacktestAnswer['curves'] }) {
  const x = (recall: number): number => left + recall * (width - left - right)
  const y = (precision: number): number => height - bottom - precision * (height - bottom - 10)
  return (
    <figure class="chart curve" aria-label="Precision over recall">
      <svg viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
        {ticks.map((at) => (
          <g key={at}>
            <line x1={x(0)} x2={x(1)} y1={y(at)} y2={y(at)} />
            <text x={left - 6} y={y(at) + 4} text-anchor="end">
              {at * 100} %
            </text>
            <text x={x(at)} y={height - bottom + 16} text-anchor="middle">
              {at * 100} %
            </text>
          </g>
        ))}
        <text x={x(0.5)} y={height - 4} text-anchor="middle">
          recall
        </text>
        {curves.map(({ name, points }, index) => (
          <polyline
            key={name}
            class={`line-${index}`}
            points={points.map(({ precision, recall }) => `${x(recall)},${y(precision)}`).join(' ')}
          />
        ))}
      </svg>
      <figcaption>
        Precision over recall of matured transactions:{' '}
        {curves.map(({ name }, index) => (
          <span key={name} class="key">
            <i class={`swatch chart-${index === 0 ? 6 : 1}`} /> {name}
          </span>
        ))}
      </figcaption>
    </figure>
  )
}
