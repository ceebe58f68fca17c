// Counts in messages: 1 file, 2 files.

/** A count with what it counts. */
export function counted(count: number | bigint, one: string, many?: string): string {
  return `${count} ${unitOf(count, one, many)}`
}

/** What so many are called, where the count itself is written in another form. */
export function unitOf(count: number | bigint, one: string, many = `${one}s`): string {
  return Number(count) === 1 ? one : many
}
