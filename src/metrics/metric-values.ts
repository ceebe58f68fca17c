// The values of the metrics, as they are now.
import { type LabelsOf, type MetricName, metricCatalog, type NameOf } from './catalog.ts'
import { Histogram } from './histogram.ts'

export type MetricSample = {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number | Histogram
}

/** A metric with its samples, one for each set of labels; there may be none. */
export type MetricFamily = { readonly name: MetricName; readonly samples: readonly MetricSample[] }

/**
 * A label that should be bounded gets no more values than this: what comes later is not counted apart, but as
 * `other`.
 */
const seriesMax = 2_000

export class MetricValues {
  readonly #families = new Map<MetricName, Map<string, MetricSample>>()

  /** Adds to a counter, which begins at 0. */
  add<Name extends NameOf<'counter'>>(name: Name, labels: LabelsOf<Name>, by = 1): void {
    const sample = this.#sample(name, labels, () => 0)
    this.#put(name, sample.labels, (sample.value as number) + by) // A counter's is a number.
  }

  /** Sets a counter whose count is kept elsewhere, or a gauge. */
  set<Name extends NameOf<'counter' | 'gauge'>>(name: Name, labels: LabelsOf<Name>, value: number): void {
    this.#put(name, labels, value)
  }

  observe<Name extends NameOf<'histogram'>>(
    name: Name,
    labels: LabelsOf<Name>,
    seconds: number,
    count = 1,
  ): void {
    const { value } = this.#sample(name, labels, () => new Histogram())
    ;(value as Histogram).observe(seconds, count) // Made one line above.
  }

  /** For a gauge whose series come and go: partitions, tables. */
  clear(name: NameOf<'gauge'>): void {
    this.#families.delete(name)
  }

  /** All of them in the order of the catalog. */
  families(): readonly MetricFamily[] {
    const names = Object.keys(metricCatalog) as MetricName[] // Its keys are these.
    return names.map((name) => ({ name, samples: [...(this.#families.get(name)?.values() ?? [])] }))
  }

  #sample(
    name: MetricName,
    labels: MetricSample['labels'],
    first: () => MetricSample['value'],
  ): MetricSample {
    const family = this.#familyOf(name)
    const known = family.get(keyOf(labels))
    if (known !== undefined) return known
    const isFull = family.size >= seriesMax
    const named = isFull ? Object.fromEntries(Object.keys(labels).map((label) => [label, 'other'])) : labels
    const sample = family.get(keyOf(named)) ?? { labels: named, value: first() }
    family.set(keyOf(named), sample)
    return sample
  }

  #put(name: MetricName, labels: MetricSample['labels'], value: number): void {
    const family = this.#familyOf(name)
    const key = keyOf(labels)
    if (family.has(key) || family.size < seriesMax) family.set(key, { labels, value })
  }

  #familyOf(name: MetricName): Map<string, MetricSample> {
    const found = this.#families.get(name) ?? new Map<string, MetricSample>()
    this.#families.set(name, found)
    return found
  }
}

function keyOf(labels: MetricSample['labels']): string {
  return JSON.stringify(Object.entries(labels))
}
