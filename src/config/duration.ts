// Durations as people write them: "10 minutes", "1 h", "90s", "1 hour 30 minutes".
import { counted } from '../errors/counted.ts'

const microsOfUnit: ReadonlyMap<string, bigint> = new Map(
  (
    [
      [1n, ['us', 'microsecond', 'microseconds']],
      [1_000n, ['ms', 'millisecond', 'milliseconds']],
      [1_000_000n, ['s', 'sec', 'second', 'seconds']],
      [60_000_000n, ['m', 'min', 'minute', 'minutes']],
      [3_600_000_000n, ['h', 'hour', 'hours']],
      [86_400_000_000n, ['d', 'day', 'days']],
    ] as const
  ).flatMap(([micros, names]) => names.map((name): [string, bigint] => [name, micros])),
)

const textLengthMax = 100

/** The microseconds of a duration, or null where the text is none. A number without a unit is none. */
export function parseDuration(text: string): bigint | null {
  if (text.length > textLengthMax) return null
  if (!/^\s*(\d+\s*[a-z]+\s*)+$/i.test(text)) return null
  let micros = 0n
  for (const [, count, unit] of text.matchAll(/(\d+)\s*([a-z]+)/gi)) {
    const unitMicros = microsOfUnit.get(unit!.toLowerCase())
    if (unitMicros === undefined) return null
    micros += BigInt(count!) * unitMicros
  }
  return micros
}

const unitsDownwards = [
  [86_400_000_000n, 'day'],
  [3_600_000_000n, 'hour'],
  [60_000_000n, 'minute'],
  [1_000_000n, 'second'],
  [1_000n, 'millisecond'],
  [1n, 'microsecond'],
] as const

/** The shortest exact text: "10 minutes", "1 hour 30 minutes". `parseDuration` reads it back. */
export function formatDuration(micros: bigint): string {
  if (micros === 0n) return '0 seconds'
  const parts: string[] = []
  let rest = micros
  for (const [unitMicros, unit] of unitsDownwards) {
    const count = rest / unitMicros
    rest %= unitMicros
    if (count > 0n) parts.push(counted(count, unit))
  }
  return parts.join(' ')
}
