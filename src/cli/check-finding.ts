// What `assay check` finds: one line each.

export type CheckFinding = {
  readonly verdict: 'ok' | 'warn' | 'FAIL'
  readonly subject: string
  /** What was found; where the verdict is not ok, also what to do. */
  readonly text: string
}

/** A finding about the subject at hand. */
export type Found = Omit<CheckFinding, 'subject'>
