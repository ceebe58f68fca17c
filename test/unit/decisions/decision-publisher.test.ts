// Which decisions a process writes: of its own partitions, as long as it knows that they are.
import { expect, test } from 'vitest'
import { type DecidedRecord, DecisionLedger } from '../../../src/decisions/decision-ledger.ts'
import { DecisionPublisher } from '../../../src/decisions/decision-publisher.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'

function recordAt(partition: number, offset: number): DecidedRecord {
  return {
    decision: {
      ...{ topic: 't', partition, offset: String(offset), decision: 'refused' },
      ...{ id: `t/${partition}/${offset}`, reasons: [], version: 'v' },
    },
    ...{ offset: BigInt(offset), sequence: offset, key: null, headers: null, timestampMs: null },
  }
}

function publishing(fails: () => Error | null = () => null) {
  const ledger = new DecisionLedger(new Map())
  for (const partition of [0, 1]) for (const offset of [0, 1]) ledger.add(recordAt(partition, offset), 0)
  const written: string[] = []
  const notices: string[] = []
  const state = { isSure: true }
  const publisher = new DecisionPublisher({
    ...{ ledger, isSure: () => state.isSure, signal: new AbortController().signal },
    onNotice: ({ code }) => notices.push(code),
    publish: async (records) => {
      const failure = fails()
      if (failure !== null) throw failure
      written.push(...records.map(({ decision: { partition, offset } }) => `${partition}/${offset}`))
    },
  })
  return { ledger, publisher, written, notices, state }
}

test('what others did not get to is written when it becomes its own, and nothing else', async () => {
  const { ledger, publisher, written } = publishing()
  publisher.own(new Set(['t\n1']))
  await publisher.allDone()
  expect(written).toEqual(['1/0', '1/1'])
  ledger.onPublished({ topic: 't', partition: 0 }, 0n)
  publisher.own(new Set(['t\n0', 't\n1']))
  await publisher.allDone()
  expect(written).toEqual(['1/0', '1/1', '0/1'])
  expect(ledger.count).toBe(0)
})

test('without a sign that the group is there it writes nothing until there is one', async () => {
  const { publisher, written, state } = publishing()
  state.isSure = false
  publisher.own(new Set(['t\n0']))
  await publisher.allDone()
  expect(written).toEqual([])
  state.isSure = true
  publisher.kick()
  await publisher.allDone()
  expect(written).toEqual(['0/0', '0/1'])
})

test('it tries again what brokers did not take, and fails with what no waiting heals', async () => {
  const failures = [new LakehouseError('KAFKA_UNREACHABLE', 'away')]
  const { publisher, written, notices } = publishing(() => failures.pop() ?? null)
  publisher.own(new Set(['t\n0']))
  await publisher.allDone()
  expect([written, notices]).toEqual([['0/0', '0/1'], ['KAFKA_UNREACHABLE']])
  const refused = publishing(() => new LakehouseError('KAFKA_NOT_AUTHORIZED', 'no'))
  refused.publisher.own(new Set(['t\n0']))
  await expect(refused.publisher.batchDone()).rejects.toMatchObject({ code: 'KAFKA_NOT_AUTHORIZED' })
})
