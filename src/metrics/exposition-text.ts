// Metrics as text: Prometheus' own format, and OpenMetrics.
import { metricCatalog, unitOfMetric } from './catalog.ts'
import { classicBounds, Histogram } from './histogram.ts'
import type { MetricFamily, MetricSample } from './metric-values.ts'

export type TextFormat = 'prometheus' | 'openmetrics'

export function expositionText(families: readonly MetricFamily[], format: TextFormat): string {
  const lines = families.flatMap((family) => familyLines(family, format))
  return `${[...lines, ...(format === 'openmetrics' ? ['# EOF'] : [])].join('\n')}\n`
}

function familyLines({ name, samples }: MetricFamily, format: TextFormat): string[] {
  const { kind, help } = metricCatalog[name]
  // OpenMetrics names a counter without its suffix, and the unit apart.
  const family = format === 'openmetrics' && kind === 'counter' ? name.replace(/_total$/, '') : name
  const unit = format === 'openmetrics' ? unitOfMetric(name) : null
  return [
    `# HELP ${family} ${escaped(help, format === 'openmetrics')}`,
    `# TYPE ${family} ${kind}`,
    ...(unit === null ? [] : [`# UNIT ${family} ${unit}`]),
    ...samples.flatMap((sample) => sampleLines(name, sample)),
  ]
}

function sampleLines(name: string, { labels, value }: MetricSample): string[] {
  if (!(value instanceof Histogram)) return [`${name}${labelText(labels)} ${numberText(value)}`]
  let cumulative = 0
  const buckets = classicBounds.map((bound, index) => {
    cumulative += value.classic[index]!
    return `${name}_bucket${labelText({ ...labels, le: boundText(bound) })} ${cumulative}`
  })
  return [
    ...buckets,
    `${name}_bucket${labelText({ ...labels, le: '+Inf' })} ${value.count}`,
    `${name}_sum${labelText(labels)} ${numberText(value.sum)}`,
    `${name}_count${labelText(labels)} ${value.count}`,
  ]
}

/** With a point, as OpenMetrics asks for and all others take. */
export function boundText(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : String(bound)
}

function labelText(labels: MetricSample['labels']): string {
  const entries = Object.entries(labels)
  if (entries.length === 0) return ''
  return `{${entries.map(([label, value]) => `${label}="${escaped(value, true)}"`).join(',')}}`
}

function escaped(text: string, quotes: boolean): string {
  const lined = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return quotes ? lined.replaceAll('"', '\\"') : lined
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  return String(value)
}
