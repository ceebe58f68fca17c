// What is decided of one record, as people and programs are told it: types. The pages read it too, so that
// it loads nothing.

/** Where the record stands. */
export type DecidedPlace = { readonly topic: string; readonly partition: number; readonly offset: string }

/** By which definitions and settings: `decisionVersion`. */
type ByVersion = { readonly version: string }

export type FiredRule = {
  readonly name: string
  readonly points: number | null
  /** What it says of this transaction. */
  readonly says: string
}

/** Numbers and booleans are themselves, decimals, days and instants are text. */
export type DecisionCell = string | number | boolean | readonly string[] | null

export type Decision =
  | (DecidedPlace &
      ByVersion & {
        readonly decision: 'scored'
        /** What names the transaction. */
        readonly id: string
        readonly fraud_score: number
        readonly risk_level: string
        readonly requires_review: boolean
        /** In the order of the rules. */
        readonly rules: readonly FiredRule[]
        /** By column. */
        readonly features: Readonly<Record<string, DecisionCell>>
      })
  | (DecidedPlace &
      ByVersion & {
        readonly decision: 'refused'
        /** Where the record stands, as topic/partition/offset: what it names is not to be relied on. */
        readonly id: string
        readonly reasons: readonly { readonly name: string; readonly meaning: string }[]
      })
