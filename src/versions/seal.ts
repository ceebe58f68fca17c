// The seal of a row of rules/versions: an HMAC over the row and all rows before it, with a key that is not in
// the lakehouse. A row that somebody writes, alters or removes by hand has no right seal, and takes those
// behind it along.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { storedText } from '../plan/index.ts'
import type { VersionRow } from './version-row.ts'

/** The digest of a row and of all before it; `before` is that of the row before, empty for the first. */
export function linkOf(before: string, row: Omit<VersionRow, 'seal'>): string {
  const { sequence, event, version, hash, text, user, role, atMicros, reason, origin } = row
  const parts = [before, sequence, event, version, hash, text, user, role, atMicros, reason, origin]
  return createHash('sha256').update(storedText(parts)).digest('hex')
}

export function sealOf(key: Buffer, link: string): string {
  return createHmac('sha256', key).update(link).digest('hex')
}

export function isSealOf(seal: string | null, key: Buffer, link: string): boolean {
  const [given, right] = [Buffer.from(seal ?? ''), Buffer.from(sealOf(key, link))]
  return given.length === right.length && timingSafeEqual(given, right)
}
