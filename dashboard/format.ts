// Numbers, times and names as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

export function count(value: number | null): string {
  return value === null ? '–' : whole.format(value)
}

/** Short where it is long. */
export function shortCount(value: number | null): string {
  if (value === null) return '–'
  return Math.abs(value) < 100 && value % 1 !== 0
    ? value.toFixed(1)
    : Math.abs(value) < 10_000
      ? whole.format(value)
      : compact.format(value)
}

export function bytes(value: number | null): string {
  if (value === null) return '–'
  let size = value
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (Math.abs(size) < 1024) return `${unit === 'B' ? size.toFixed(0) : size.toFixed(1)} ${unit}`
    size /= 1024
  }
  return `${size.toFixed(1)} TiB`
}

export function duration(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return ms === null ? '–' : 'never'
  if (ms < 1) return '< 1 ms'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
  if (ms < 48 * 3_600_000)
    return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`
  return `${Math.round(ms / 86_400_000)} days`
}

/** In UTC, as everything is in the tables. */
export function timeOfDay(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19)
}

export function instant(ms: number | null): string {
  return ms === null ? '–' : `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}`
}

/** An instant of a table, which has microseconds, to the second. */
export function shortInstant(text: string): string {
  return text.replace('T', ' ').replace(/(?:\.\d+)?Z?$/, '')
}

/**
 * Text from records as text: what would be invisible, or turn the line around, becomes a sign that is seen.
 */
export function seen(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, (character) => {
    return character === '\n' ? '␊' : character === '\t' ? '␉' : '\ufffd'
  })
}

export function words(name: string): string {
  return name.replaceAll('_', ' ')
}

/** `silver/transactions` as it is said: the last part, with its folder where that alone tells. */
export function tableTitle(path: string): string {
  const parts = path.split('/')
  return parts.length > 1 && parts.at(-1) === 'transactions' ? parts.at(-2)! : words(parts.at(-1)!)
}
