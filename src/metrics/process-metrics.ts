// What every process tells of itself.
import type { MetricValues } from './metric-values.ts'

/** Sets them as they are now. */
export function setProcessMetrics(values: MetricValues): void {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
  values.set('process_cpu_seconds_total', {}, (user + system) / 1e6)
  values.set('process_resident_memory_bytes', {}, rss)
  values.set('process_start_time_seconds', {}, performance.timeOrigin / 1000)
  values.set('nodejs_heap_size_used_bytes', {}, heapUsed)
  values.set('nodejs_heap_size_total_bytes', {}, heapTotal)
  values.set('nodejs_external_memory_bytes', {}, external)
}
