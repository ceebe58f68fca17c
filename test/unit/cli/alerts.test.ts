// assay alerts: what is sent again; and a run whose alerts/log cannot be opened ends all the same.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AlertLog } from '../../../src/alerts/alert-log.ts'
import { noProgress } from '../../../src/batches/progress.ts'
import { alertsCommand } from '../../../src/cli/alerts.ts'
import { tellAlerts } from '../../../src/cli/told-alerts.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { tellOpened } from '../../../src/engines/events.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import type { AlertLogRow } from '../../../src/ops/alerts.ts'
import { standardProject } from '../../../src/project/project.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'assay-alerts-test-'))
  vi.stubEnv('DELTA_BASE_PATH', join(base, 'lakehouse'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(base, { recursive: true })
})

async function logged(rows: readonly AlertLogRow[]): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const log = await AlertLog.open(join(base, 'lakehouse'), await instance.connect())
  await log.append(rows)
  instance.closeSync()
}

async function said(...words: readonly string[]): Promise<string> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    await alertsCommand(standardProject).parseAsync(words, { from: 'user' })
    return write.mock.calls.map(([text]) => String(text)).join('')
  } finally {
    write.mockRestore()
  }
}

test('what failed is sent again, but not what a later notification of the same trouble has changed', async () => {
  const about = { at: 1_000, route: 'r', sinks: ['s'] } as const
  const dead = { ...about, event: 'dead', reason: 'it answered 400' } as const
  await logged([
    { ...about, sequence: 1, event: 'raised', alert: 'a', notification: 'there', health: 'lag/x' },
    { ...about, sequence: 2, event: 'resolved', alert: 'a', notification: 'over', health: 'lag/x' },
    { ...about, sequence: 3, event: 'raised', alert: 'b', notification: 'risk', topic: 't' },
    ...['there', 'over', 'risk'].map((notification) => ({ ...dead, notification })),
  ])
  await expect(said('replay', 'there')).rejects.toThrow('there: the trouble has changed since')
  expect(await said('replay', '--failed')).toBe('2 notifications will be sent again\n')
  const failed = await said('list', '--failed')
  expect(failed).toMatch(/^there .* it answered 400$/m)
  expect(failed).not.toMatch(/^(over|risk) /m)
})

test('a run that ends does not wait for an alerts/log that cannot be opened', async () => {
  writeFileSync(join(base, 'lakehouse'), 'no directory')
  const file = join(base, 'alerts.yaml')
  writeFileSync(
    file,
    `sinks: { s: { webhook: { url: "http://localhost:9", secret: { env: HOOK_SECRET } } } }
routes: [{ name: r, level: HIGH, to: s }]
`,
  )
  const settings = { DELTA_BASE_PATH: join(base, 'lakehouse'), ALERTS_CONFIG: file }
  const notices: string[] = []
  const alerts = await tellAlerts(loadConfig(standardLakehouse, settings, join(base, 'absent')), {
    streams: standardLakehouse.streams,
    environment: { HOOK_SECRET: 'hook-secret' },
    status: async () => expect.unreachable(),
    tell: () => undefined,
    onNotice: ({ code }) => notices.push(code),
  })
  tellOpened({ streams: [], tell: alerts!.onEvent }, [], noProgress)
  await vi.waitFor(() => expect(notices).toEqual(['ALERTS_FAILED']))
  await alerts!.close(20)
})
