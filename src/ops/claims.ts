// review/claims: who looks at which transaction, and until when nobody else gets it. It says where a
// transaction stands and nothing of what it holds, so that an erasure need not look here.
import type { DeltaTableDefinition, DeltaType } from '../delta/index.ts'

export const claimsPath = 'review/claims'

/** The application id of the txn action whose version is the greatest `sequence`, as that of the verdicts. */
export const claimsAppId = 'assay/review/claims'

const column = (name: string, type: DeltaType) => ({ name, type, nullable: true, metadata: {} })

export const claimsDefinition = {
  description: 'Who looks at which transaction, and until when nobody else gets it.',
  partitionColumns: [],
  fields: [
    column('sequence', 'long'),
    column('kind', 'string'), // Of `claimKinds`.
    column('reviewer', 'string'),
    column('at', 'timestamp'),
    column('until', 'timestamp'),
    column('topic', 'string'),
    column('partition', 'integer'),
    column('offset', 'long'),
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>

/**
 * `taken`: nobody else gets it until then. `released`: whoever comes next. `skipped`: others; the reviewer
 * not before then.
 */
export const claimKinds = ['taken', 'released', 'skipped'] as const
export type ClaimKind = (typeof claimKinds)[number]
