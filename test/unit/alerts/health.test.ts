// Trouble has a key that stays while it lasts, whichever processes carry which streams.
import { expect, test } from 'vitest'
import { healthFindings } from '../../../src/alerts/health.ts'
import type { RunFinding } from '../../../src/engines/run-findings.ts'
import type { RunState, RunStatus } from '../../../src/engines/run-status.ts'

const finding = (kind: RunFinding['kind']): RunFinding => ({
  kind,
  severity: 'warn',
  text: 'so it is',
  help: '',
})
const of = (state: RunState, streams: readonly string[], kind: RunFinding['kind']): RunStatus => ({
  ...{ asOf: '', streams, state, writer: null, engine: null, version: null, reads: null, deltaBasePath: '' },
  ...{ batch: null, lastBatchAgeSeconds: null, recordsPerSecond: null, lag: null, tables: [] },
  findings: [finding(kind)],
})
const keys = (...statuses: readonly RunStatus[]) => healthFindings(statuses).map(({ key }) => key)

test('streams that stop one after the other are told of one by one', () => {
  expect(keys(of('not running', ['b'], 'stopped'))).toEqual(['stopped/b'])
  expect(keys(of('not running', ['a', 'b'], 'stopped'))).toEqual(['stopped/a', 'stopped/b'])
})

test('a process that carries several streams has its trouble once; two with the same have it once', () => {
  expect(keys(of('live', ['b', 'a'], 'lag'), of('live', ['c'], 'lag'))).toEqual(['lag/a', 'lag/c'])
  expect(keys(of('live', ['a'], 'disk'), of('live', ['a'], 'disk'))).toEqual(['disk/a'])
})

test('a process that cannot be asked from here has not stopped', () => {
  expect(keys(of('unknown', ['a'], 'stopped'))).toEqual([])
  expect(keys(of('unknown', ['a'], 'fault'))).toEqual(['fault/a'])
})
