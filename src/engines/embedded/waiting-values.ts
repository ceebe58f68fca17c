// Values of columns as rows that wait have them.
import { type Column, NumberColumn } from '../../columns/column.ts'
import type { Whole } from '../../columns/whole.ts'
import { flagOfNull, flagOfTrue } from '../../state/waiting-rows.ts'

/** Of instants, none of which is null, as numbers: of such as are no instants of a process's life not exact. */
export function numbersOf(times: Column, rowCount: number): Float64Array {
  if (times instanceof NumberColumn && times.large === null) return times.values
  return Float64Array.from({ length: rowCount }, (_, row) => Number(times.get(row)))
}

/** At the places of the rows. */
export function setValues(target: Uint8Array | Whole[], column: Column, places: Int32Array): void {
  if (target instanceof Uint8Array) {
    for (let row = 0; row < places.length; row++) {
      const value = column.get(row)
      target[places[row]!] = value === true ? flagOfTrue : value === null ? flagOfNull : 0
    }
    return
  }
  if (column instanceof NumberColumn && column.large === null && column.nullCount === 0) {
    for (let row = 0; row < places.length; row++) target[places[row]!] = column.values[row]!
    return
  }
  for (let row = 0; row < places.length; row++) {
    target[places[row]!] = (column.get(row) as Whole | null) ?? Number.NaN // As the kind of the value says.
  }
}
