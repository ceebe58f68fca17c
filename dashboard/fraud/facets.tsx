// How the chosen transactions are spread over their columns.
import type { RowsAnswer } from '../../src/dashboard/api.ts'
import { count, shortCount, words } from '../format.ts'
import { Bars } from '../parts/bars.tsx'
import { Card } from '../parts/card.tsx'
import type { RowFilter } from '../server.ts'
import { toneOfLevel } from './level.tsx'

type FacetsProps = {
  readonly answer: RowsAnswer
  readonly filters: readonly RowFilter[]
  readonly onFilter: (filter: RowFilter) => void
}

const scoreStep = 10

export function Facets({ answer, filters, onFilter }: FacetsProps) {
  const rows = answer.rows.map(([column, value, rows]) => ({
    column: column!,
    value: value!,
    rows: Number(rows),
  }))
  const byColumn = [...Map.groupBy(rows, ({ column }) => column)]
  return (
    <>
      {byColumn.map(([column, values]) => {
        if (column === 'hour') return null
        if (column === 'fraud_score') return <Scores key={column} values={values} asOfMs={answer.asOfMs} />
        const bars = values.map(({ value, rows: found }) => ({
          ...{ name: value, value: found, text: shortCount(found) },
          ...(column === 'risk_level' ? { tone: toneOfLevel(value) } : {}),
        }))
        const chosen =
          filters.find((filter) => filter.column === column && filter.operator === 'is')?.value ?? null
        return (
          <Card
            key={column}
            title={column === 'reasons' ? 'rules that fired' : words(column)}
            asOfMs={answer.asOfMs}
            className="facet"
          >
            <Bars
              label={words(column)}
              bars={bars}
              chosen={chosen}
              onChoose={(value) => onFilter({ column, operator: 'is', value })}
            />
          </Card>
        )
      })}
    </>
  )
}

type ScoresProps = {
  readonly values: readonly { readonly value: string; readonly rows: number }[]
  readonly asOfMs: number
}

function Scores({ values, asOfMs }: ScoresProps) {
  const steps = new Map<number, number>()
  for (const { value, rows } of values) {
    const step = Math.floor(Number(value) / scoreStep) * scoreStep
    steps.set(step, (steps.get(step) ?? 0) + rows)
  }
  const all = [...steps].sort(([a], [b]) => a - b)
  const most = Math.max(...all.map(([, rows]) => rows), 1)
  return (
    <Card title="score" asOfMs={asOfMs} className="facet">
      <ol class="histogram" aria-label="How many have which score">
        {all.map(([step, rows]) => (
          <li key={step} title={`${step} to ${step + scoreStep - 1}: ${count(rows)}`}>
            <span class="hidden">
              {step} to {step + scoreStep - 1}: {count(rows)}
            </span>
            <i style={{ height: `${Math.max(2, (100 * rows) / most)}%` }} aria-hidden="true" />
            <small aria-hidden="true">{step}</small>
          </li>
        ))}
      </ol>
    </Card>
  )
}
