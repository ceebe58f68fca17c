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
