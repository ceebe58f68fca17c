// What a producer writes.

export type ProducedRecord = {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** What the partition of a record without a key goes by; absent: it goes wherever its batch goes. */
  readonly partitionBy?: Uint8Array
  /** Absent: now. */
  readonly timestampMs?: number
  readonly headers?: Readonly<Record<string, Uint8Array>>
}

/** Of what it holds; the broker adds to that. */
export function contentBytes({ key, value, headers }: ProducedRecord): number {
  let size = (key?.length ?? 0) + (value?.length ?? 0)
  for (const name in headers) size += name.length + headers[name]!.length
  return size
}
