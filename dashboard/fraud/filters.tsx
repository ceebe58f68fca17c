import { useState } from 'preact/hooks'
import type { LakehouseAnswer } from '../../src/dashboard/api.ts'
import { seen, words } from '../format.ts'
import { Icon } from '../parts/icon.tsx'
import type { RowFilter } from '../server.ts'

type FiltersProps = {
  readonly lakehouse: LakehouseAnswer
  readonly filters: readonly RowFilter[]
  readonly text: string
  readonly onText: (text: string) => void
  readonly onFilters: (filters: readonly RowFilter[]) => void
}

export function Filters({ lakehouse, filters, text, onText, onFilters }: FiltersProps) {
  const [column, setColumn] = useState('risk_level')
  const [operator, setOperator] = useState('is')
  const [value, setValue] = useState('')
  const scored = lakehouse.tables.find(({ path }) => path === lakehouse.roles.scored)
  const add = (event: SubmitEvent): void => {
    event.preventDefault()
    if (value.trim() === '') return
    onFilters([...filters, { column, operator, value: value.trim() }])
    setValue('')
  }
  return (
    <div class="filters">
      <ul class="chips" aria-label="Filters">
        {filters.map((filter, index) => (
          <li key={`${filter.column} ${filter.operator} ${filter.value}`}>
            <span>
              {words(filter.column)} {filter.operator} <b>{seen(filter.value)}</b>
            </span>
            <button
              type="button"
              class="plain"
              aria-label={`Without ${words(filter.column)} ${filter.operator} ${seen(filter.value)}`}
              onClick={() => onFilters(filters.filter((_, at) => at !== index))}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
        {filters.length === 0 && <li class="none">all transactions</li>}
      </ul>
      <form onSubmit={add} class="row">
        <label>
          Text in any column
          <input type="search" value={text} onInput={(event) => onText(event.currentTarget.value)} />
        </label>
        <label>
          Column
          <select value={column} onChange={(event) => setColumn(event.currentTarget.value)}>
            {scored?.columns.map(({ name }) => (
              <option key={name} value={name}>
                {words(name)}
              </option>
            ))}
          </select>
        </label>
        <label>
          How
          <select value={operator} onChange={(event) => setOperator(event.currentTarget.value)}>
            {['is', 'contains', 'at least', 'at most'].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          Value
          <input
            value={value}
            list="filter-values"
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        </label>
        <datalist id="filter-values">
          {valuesOf(lakehouse, column).map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <button type="submit">Add filter</button>
      </form>
    </div>
  )
}

function valuesOf({ rules }: LakehouseAnswer, column: string): readonly string[] {
  if (column === 'reasons') return rules.map(({ name }) => name)
  return column === 'requires_review' ? ['true', 'false'] : []
}
