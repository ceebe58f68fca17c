// Days as ISO 8601 has them, in bytes of ASCII. The records of a batch are of few days.
const encoder = new TextEncoder()

/** The days of 0001-01-01 and of 9999-12-31. */
const [dayFirst, dayLast] = [-719_162, 2_932_896]
const msPerDay = 86_400_000
const daysKeptMax = 4096
const days = new Map<number, Uint8Array>()

/** null beyond the years 1 to 9999. */
export function isoDate(day: number): Uint8Array | null {
  const known = days.get(day)
  if (known !== undefined) return known
  if (!(day >= dayFirst && day <= dayLast)) return null
  const text = encoder.encode(new Date(day * msPerDay).toISOString().slice(0, 10))
  if (days.size >= daysKeptMax) days.clear()
  days.set(day, text)
  return text
}
