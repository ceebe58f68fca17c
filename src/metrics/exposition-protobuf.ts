// Metrics in the protobuf format of Prometheus (io.prometheus.client.MetricFamily, each behind its length),
// the one that carries native histograms. Field numbers are those of its metrics.proto.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { type MetricKind, metricCatalog } from './catalog.ts'
import { classicBounds, Histogram, nativeSchema, zeroThreshold } from './histogram.ts'
import type { MetricFamily, MetricSample } from './metric-values.ts'

const typeNumbers: Readonly<Record<MetricKind, number>> = { counter: 0, gauge: 1, histogram: 4 }

/** A family without samples has no place in this format. */
export function expositionProtobuf(families: readonly MetricFamily[]): Uint8Array {
  const writer = new BinaryWriter()
  for (const family of families) if (family.samples.length > 0) writer.bytes(familyBytes(family))
  return writer.finish()
}

function familyBytes({ name, samples }: MetricFamily): Uint8Array {
  const { kind, help } = metricCatalog[name]
  const writer = new BinaryWriter()
  writer.tag(1, WireType.LengthDelimited).string(name)
  writer.tag(2, WireType.LengthDelimited).string(help)
  writer.tag(3, WireType.Varint).int32(typeNumbers[kind])
  for (const sample of samples) writer.tag(4, WireType.LengthDelimited).bytes(metricBytes(kind, sample))
  return writer.finish()
}

function metricBytes(kind: MetricKind, { labels, value }: MetricSample): Uint8Array {
  const writer = new BinaryWriter()
  for (const [label, text] of Object.entries(labels)) {
    const pair = new BinaryWriter()
    pair.tag(1, WireType.LengthDelimited).string(label)
    pair.tag(2, WireType.LengthDelimited).string(text)
    writer.tag(1, WireType.LengthDelimited).bytes(pair.finish())
  }
  if (value instanceof Histogram) {
    writer.tag(7, WireType.LengthDelimited).bytes(histogramBytes(value))
  } else {
    const number = new BinaryWriter().tag(1, WireType.Bit64).double(value).finish()
    writer.tag(kind === 'gauge' ? 2 : 3, WireType.LengthDelimited).bytes(number)
  }
  return writer.finish()
}

function histogramBytes(histogram: Histogram): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.Varint).uint64(histogram.count)
  writer.tag(2, WireType.Bit64).double(histogram.sum)
  let cumulative = 0
  for (const [index, bound] of [...classicBounds, Number.POSITIVE_INFINITY].entries()) {
    cumulative = index < classicBounds.length ? cumulative + histogram.classic[index]! : histogram.count
    const bucket = new BinaryWriter()
    bucket.tag(1, WireType.Varint).uint64(cumulative)
    bucket.tag(2, WireType.Bit64).double(bound)
    writer.tag(3, WireType.LengthDelimited).bytes(bucket.finish())
  }
  writer.tag(5, WireType.Varint).sint32(nativeSchema)
  writer.tag(6, WireType.Bit64).double(zeroThreshold)
  writer.tag(7, WireType.Varint).uint64(histogram.zeroCount)
  const { spans, deltas } = sparseBuckets(histogram.native)
  for (const { offset, length } of spans) {
    const span = new BinaryWriter()
    span.tag(1, WireType.Varint).sint32(offset)
    span.tag(2, WireType.Varint).uint32(length)
    writer.tag(12, WireType.LengthDelimited).bytes(span.finish())
  }
  for (const delta of deltas) writer.tag(13, WireType.Varint).sint64(delta)
  return writer.finish()
}

type Span = { readonly offset: number; length: number }

/** Runs of buckets next to each other, and each count as the difference to the one before. */
function sparseBuckets(buckets: ReadonlyMap<number, number>): {
  readonly spans: readonly Span[]
  readonly deltas: readonly number[]
} {
  const spans: Span[] = []
  const deltas: number[] = []
  let [next, before] = [0, 0]
  for (const [index, count] of [...buckets].toSorted(([a], [b]) => a - b)) {
    const last = spans.at(-1)
    if (last !== undefined && index === next) last.length++
    else spans.push({ offset: index - next, length: 1 }) // Of the first one: its index, behind bucket 0.
    deltas.push(count - before)
    ;[next, before] = [index + 1, count]
  }
  return { spans, deltas }
}
