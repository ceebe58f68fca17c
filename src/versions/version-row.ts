// A row of rules/versions.
import type { VersionEvent } from '../ops/rule-versions.ts'

export type VersionRow = {
  readonly sequence: bigint
  readonly event: VersionEvent
  readonly version: number
  readonly hash: string | null
  readonly text: string | null
  readonly user: string
  /** null for one who is no user of the users file. */
  readonly role: string | null
  readonly atMicros: bigint
  readonly reason: string | null
  readonly origin: VersionOrigin
  readonly seal: string | null
}

export type VersionOrigin = 'file' | 'command line' | 'dashboard'
