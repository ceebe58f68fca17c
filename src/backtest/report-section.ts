// A part of a report as people read it.

export type ReportSection = {
  readonly title: string
  readonly lines: readonly string[]
  readonly rows: {
    readonly names: readonly string[]
    readonly cells: readonly (readonly string[])[]
    readonly isRight: readonly boolean[]
  } | null
}

/** Columns are to the right from one on. */
export function sectionRows(
  names: readonly string[],
  cells: readonly (readonly string[])[],
  rightFrom: number,
): ReportSection['rows'] {
  return { names, cells, isRight: names.map((_, index) => index >= rightFrom) }
}

export const countText = (value: number): string => Math.round(value).toLocaleString('en-US')
export const amountText = (value: number): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
export const shareText = (value: number | null): string =>
  value === null ? '-' : `${(value * 100).toFixed(1)} %`
