// Whether all is well, and why not.
import type { LakehouseAnswer, LiveState } from '../../src/dashboard/api.ts'
import { bytes, count, duration, instant, shortCount } from '../format.ts'
import { live } from '../live.ts'
import { Card, Nothing } from '../parts/card.tsx'
import { Chart } from '../parts/chart.tsx'
import { useStore } from '../store.ts'
import { Findings } from './findings.tsx'
import { Flow } from './flow.tsx'
import { Partitions } from './partitions.tsx'
import { PhaseBars } from './phase-bars.tsx'
import { Tiles } from './tiles.tsx'
import { Waterfall } from './waterfall.tsx'

export function PipelinePage({ lakehouse }: { readonly lakehouse: LakehouseAnswer }) {
  const { state, points, batches, isAway } = useStore(live)
  if (state === null) return <Nothing>Waiting for the first word of the process.</Nothing>
  const columns = (...indexes: readonly number[]) =>
    [0, ...indexes].map((index) => points.map((point) => point[index] ?? null))
  return (
    <div class={`page pipeline ${isAway ? 'stale' : ''}`}>
      <h1 class="hidden">Pipeline</h1>
      <Findings findings={state.findings} />
      <Tiles state={state} />
      <Card title="Flow" note={`${lakehouse.reads} → ${lakehouse.deltaBasePath}`} className="wide">
        <Flow lakehouse={lakehouse} state={state} />
      </Card>
      <Card title="Throughput" note="records a second">
        <Chart
          label="Records a second"
          lines={[{ label: 'records/s', colour: 1 }]}
          columns={columns(1)}
          format={shortCount}
        />
      </Card>
      <Card title="Latency" note="from the record’s time to its commit">
        <Chart
          label="Latency from the record's time to its commit"
          lines={[
            { label: 'p50', colour: 1 },
            { label: 'p95', colour: 2 },
            { label: 'p99', colour: 3 },
          ]}
          columns={columns(2, 3, 4)}
          format={duration}
        />
      </Card>
      <Card title="Waiting in the input" note={lagNote(state)}>
        <Chart
          label="What waits in the input"
          lines={[{ label: state.lag.records === null ? 'bytes' : 'records', colour: 4 }]}
          columns={columns(5)}
          format={state.lag.records === null ? bytes : shortCount}
        />
      </Card>
      <Card title="Memory" note="of the process">
        <Chart
          label="Memory of the process"
          lines={[
            { label: 'resident', colour: 2 },
            { label: 'heap', colour: 5 },
          ]}
          columns={columns(6, 7)}
          format={bytes}
        />
      </Card>
      <Card title="Where a batch’s time goes" note="mean of the last minute; parts overlap">
        <PhaseBars phases={state.phases} />
      </Card>
      <Card title="Watermarks" note={watermarkNote(state)}>
        <Partitions state={state} lakehouse={lakehouse} />
      </Card>
      <Card
        title="Batches"
        note="the last ones, phase by phase, with the commits of their tables"
        className="wide"
      >
        <Waterfall batches={batches} />
      </Card>
      <p class="note wide">
        Since {instant(state.startedMs)} UTC: {count(state.recordsTotal)} records.
      </p>
    </div>
  )
}

function lagNote({ lag }: LiveState): string {
  if (lag.records === null && lag.bytes === null) return 'not known for this input'
  if ((lag.records ?? lag.bytes) === 0) return 'nothing waits'
  if (lag.drainSeconds === null) return lag.seconds === null ? '' : `oldest ${duration(lag.seconds * 1000)}`
  return Number.isFinite(lag.drainSeconds) ? `drained in ${duration(lag.drainSeconds * 1000)}` : 'it grows'
}

function watermarkNote({ partitions }: LiveState): string {
  const holding = partitions.find(({ holdsBack }) => holdsBack)
  if (holding === undefined) return 'how far event time has come'
  return `held back by partition ${holding.partition} of ${holding.topic}`
}
