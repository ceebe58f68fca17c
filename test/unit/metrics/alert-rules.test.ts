import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { alertRules, recordingRules, runbooks } from '../../../docs/alert-rules.ts'
import { metricCatalog } from '../../../src/metrics/catalog.ts'
import { prometheusAvailable } from '../../services/tools.ts'

const root = join(import.meta.dirname, '../../..')
const rulesFile = join(root, 'deploy/prometheus/rules.yml')
const names = Object.keys(metricCatalog)

/** The metrics that an expression asks for, without what a histogram adds to its name. */
function asked(expr: string): string[] {
  const found = expr.match(/\b(?:assay|process|nodejs)_\w+/g) ?? []
  return found.map((name) => (names.includes(name) ? name : name.replace(/_(bucket|count|sum)$/, '')))
}

test('rules ask for metrics that there are, and every alert has its runbook', () => {
  for (const { expr } of [...recordingRules, ...alertRules])
    for (const name of asked(expr)) expect(names, expr).toContain(name)
  const pages = [...new Set(alertRules.map(({ runbook }) => runbook))]
  expect(pages.toSorted()).toEqual(Object.keys(runbooks).toSorted())
  for (const page of pages) expect(existsSync(join(root, 'docs/runbooks', `${page}.md`)), page).toBe(true)
})

test('the dashboard shows every metric and no other, each panel at a place of its own', () => {
  const { panels } = JSON.parse(readFileSync(join(root, 'deploy/grafana/assay.json'), 'utf8'))
  const shown = panels.flatMap((panel: { targets?: { expr: string }[] }) =>
    (panel.targets ?? []).flatMap(({ expr }) => asked(expr)),
  )
  expect(new Set(shown)).toEqual(new Set(names))
  const places = panels.map(({ gridPos: { x, y } }: { gridPos: { x: number; y: number } }) => `${x} ${y}`)
  expect(new Set(places).size).toBe(panels.length)
  const ids = panels.map(({ id }: { id: number }) => id)
  expect(new Set(ids).size).toBe(panels.length)
})

type Series = Readonly<Record<string, string>>

const job = 'job="assay",instance="a"'
const lag = (metric: string) => `${metric}{${job},topic="t",partition="0"}`
const latencies = (slow: number): Series => ({
  [`assay_commit_latency_seconds_bucket{${job},le="5.0"}`]: `0+${100 - slow}x200`,
  [`assay_commit_latency_seconds_bucket{${job},le="+Inf"}`]: '0+100x200',
  [`assay_commit_latency_seconds_count{${job}}`]: '0+100x200',
})

/** By alert: a minute each, and after how many of them it fires. Without the cause none does. */
const causes: Readonly<Record<string, { readonly series: Series; readonly at: string }>> = {
  AssayDown: { series: { [`up{${job}}`]: '1x5 0x20' }, at: '10m' },
  AssayInputUnreachable: { series: { [`assay_input_seen_timestamp_seconds{${job}}`]: '0x20' }, at: '5m' },
  AssayStalled: {
    series: { [lag('assay_lag_records')]: '5x60', [`assay_batches_total{${job}}`]: '7x60' },
    at: '20m',
  },
  AssayLagGrows: {
    series: {
      [lag('assay_lag_records')]: '20000+100x60',
      [lag('assay_lag_drain_seconds')]: 'Inf '.repeat(60).trim(),
    },
    at: '20m',
  },
  AssayBehindSilver: { series: { [`assay_silver_batches_behind{${job}}`]: '2000x60' }, at: '20m' },
  AssayFreshnessBurn: { series: { [lag('assay_lag_seconds')]: '600x200' }, at: '70m' },
  AssayLatencyBurn: { series: latencies(50), at: '70m' },
  AssayRefusals: {
    series: {
      [`assay_records_total{${job}}`]: '0+1000x60',
      [`assay_quarantined_records_total{${job}}`]: '0+100x60',
    },
    at: '20m',
  },
  AssayWatermarkHeld: {
    series: {
      [`assay_partition_event_timestamp_seconds{${job},topic="t",partition="0"}`]: '10000x60',
      [`assay_partition_event_timestamp_seconds{${job},topic="t",partition="1"}`]: '1000x60',
      [`assay_partition_holds_watermark{${job},topic="t",partition="0"}`]: '0x60',
      [`assay_partition_holds_watermark{${job},topic="t",partition="1"}`]: '1x60',
    },
    at: '20m',
  },
  AssayFaults: { series: { [`assay_fault_streak{${job}}`]: '0 1 2 3 4 5' }, at: '5m' },
  AssayWriterFenced: { series: { [`assay_writer_fenced_total{${job}}`]: '0x5 1x10' }, at: '8m' },
  AssayRecordsLost: { series: { [`assay_lost_records_total{${job}}`]: '0x5 10x10' }, at: '8m' },
  AssayDiskFull: { series: { [`assay_disk_free_bytes{${job}}`]: '1000x20' }, at: '10m' },
  AssayLogGrows: { series: { [`assay_table_log_commits{${job},table="gold"}`]: '2000x60' }, at: '20m' },
  AssayModelDrifted: { series: { [`assay_drift_level{${job},feature="amount"}`]: '0x5 2x10' }, at: '8m' },
}

/** All is well. */
const well: Series = {
  [`up{${job}}`]: '1x200',
  [`assay_input_seen_timestamp_seconds{${job}}`]: '0+60x200',
  [lag('assay_lag_records')]: '20000x200',
  [lag('assay_lag_seconds')]: '2x200',
  [lag('assay_lag_drain_seconds')]: '3x200',
  [`assay_batches_total{${job}}`]: '0+9x200',
  [`assay_records_total{${job}}`]: '0+1000x200',
  [`assay_quarantined_records_total{${job}}`]: '0+10x200',
  [`assay_silver_batches_behind{${job}}`]: '3x200',
  [`assay_partition_event_timestamp_seconds{${job},topic="t",partition="0"}`]: '0+60x200',
  [`assay_partition_event_timestamp_seconds{${job},topic="t",partition="1"}`]: '0+60x200',
  [`assay_partition_holds_watermark{${job},topic="t",partition="1"}`]: '1x200',
  [`assay_fault_streak{${job}}`]: '0 1 2 0x200',
  [`assay_writer_fenced_total{${job}}`]: '0x200',
  [`assay_lost_records_total{${job}}`]: '0x200',
  [`assay_disk_free_bytes{${job}}`]: '50000000000x200',
  [`assay_table_log_commits{${job},table="gold"}`]: '99x200',
  [`assay_drift_level{${job},feature="amount"}`]: '1x200',
  ...latencies(0.5),
}

function input(series: Series) {
  return Object.entries(series).map(([name, values]) => ({ series: name, values }))
}

test.skipIf(prometheusAvailable !== null)('promtool: each alert fires by its cause, and none without', () => {
  const alerts = [...new Set(alertRules.map(({ alert }) => alert))]
  expect(Object.keys(causes)).toEqual(alerts)
  const firing = (alertname: string, at: string) => ({
    alertname,
    eval_time: at,
    exp_alerts: alertRules
      // Of a burn those of both severities: all windows are full of it.
      .filter(({ alert }) => alert === alertname)
      .map(({ severity, summary, runbook }) => ({
        exp_labels: {
          severity,
          job: 'assay',
          instance: 'a',
          ...(alertname === 'AssayLogGrows' ? { table: 'gold' } : {}),
        },
        exp_annotations: { summary: `a: ${summary}`, runbook: `docs/runbooks/${runbook}.md` },
      })),
  })
  const tests = [
    ...Object.entries(causes).map(([alert, { series, at }]) => ({
      interval: '1m',
      input_series: input(series),
      alert_rule_test: [firing(alert, at)],
    })),
    {
      interval: '1m',
      input_series: input(well),
      alert_rule_test: alerts.map((alertname) => ({ alertname, eval_time: '2h', exp_alerts: [] })),
    },
  ]
  const directory = mkdtempSync(join(tmpdir(), 'assay-rules-'))
  try {
    const file = join(directory, 'tests.yml')
    writeFileSync(file, stringify({ rule_files: [rulesFile], evaluation_interval: '1m', tests }))
    const check = spawnSync('promtool', ['check', 'rules', rulesFile], { encoding: 'utf8' })
    expect(check.status, check.stderr).toBe(0)
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' })
    expect(`${stdout}${stderr}`.split('\n').slice(0, 60).join('\n')).not.toContain('FAILED')
    expect(status).toBe(0)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
