// The share of a process: what its group gives it, it writes, whatever fails on the way; who is slow itself
// puts nobody out.
import { afterEach, expect, test, vi } from 'vitest'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import type { DecisionFollower } from '../../../src/decisions/decision-follower.ts'
import { DecisionLedger } from '../../../src/decisions/decision-ledger.ts'
import { DecisionPublisher } from '../../../src/decisions/decision-publisher.ts'
import { DecisionShare } from '../../../src/decisions/decision-share.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'
import { BrokerError } from '../../../src/kafka/failures.ts'
import type { Assignment, GroupMember } from '../../../src/kafka/group-member.ts'

const COORDINATOR_NOT_AVAILABLE = 15
const mine = { topic: 't', partition: 0 }
const another = { topic: 't', partition: 1 }
const assignment: Assignment = {
  ...{ memberId: 'm', generation: 1, memberCount: 2, partitions: [mine] },
  owners: new Map([
    ['t\n0', 'm'],
    ['t\n1', 'n'],
  ]),
}

const shares: DecisionShare[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const share of shares.splice(0)) await share.close()
})

/** A share of which the group says what `committed` gives. */
function sharing(committed: () => Error | null) {
  const signal = new AbortController().signal
  const told = { notices: [] as string[], putOut: [] as string[], asked: 0 }
  const onNotice = ({ code }: { readonly code: string }): void => void told.notices.push(code)
  const ledger = new DecisionLedger(new Map())
  // Nothing that is its own can be written, so that it waits.
  const publisher = new DecisionPublisher({
    ...{ ledger, onNotice, signal, isSure: () => false, publish: async () => {} },
  })
  const member = {
    ...{ isSure: true, ready() {}, commit() {} },
    putOut: async (id: string) => void told.putOut.push(id),
    committed: async () => {
      told.asked++
      const failure = committed()
      if (failure !== null) throw failure
      return new Map()
    },
  }
  const share = new DecisionShare({
    ...{ ledger, publisher, onNotice, signal, brokers: 'nowhere' },
    member: member as unknown as GroupMember,
    follower: { upToNow: async () => {} } as unknown as DecisionFollower,
    ...{ decided: () => new Map(), onShare: () => {}, onProgress: () => {} },
  })
  shares.push(share)
  return { share, ledger, publisher, told }
}

function wait(ledger: DecisionLedger, at: typeof mine): void {
  const decision: Decision = { ...at, offset: '0', decision: 'refused', id: '', reasons: [], version: 'v' }
  const record = { decision, offset: 0n, sequence: 0, key: null, headers: null, timestampMs: null }
  ledger.add(record, performance.now())
}

test('an error while it takes its partitions over does not keep it from them', async () => {
  const failures = [new BrokerError(COORDINATOR_NOT_AVAILABLE, 'group g')]
  const { share, publisher } = sharing(() => failures.pop() ?? null)
  share.onAssigned(assignment)
  await expect.poll(() => [...publisher.mine]).toEqual(['t\n0'])
})

test('what brokers refuse while it takes its partitions over is told once, and it has them', async () => {
  const refusal = new LakehouseError('KAFKA_NOT_AUTHORIZED', 'no')
  const { share, publisher, told } = sharing(() => refusal)
  share.onAssigned(assignment)
  await expect.poll(() => publisher.mine.size).toBe(1)
  await expect.poll(() => told.asked).toBeGreaterThan(1)
  expect(told.notices).toEqual(['KAFKA_NOT_AUTHORIZED'])
})

test('that the topic is missing is told once, however often it is looked for', async () => {
  const { told } = sharing(() => new LakehouseError('KAFKA_TOPIC_MISSING', 'no topic'))
  await expect.poll(() => told.asked, { timeout: 5_000 }).toBeGreaterThan(3)
  expect(told.notices).toEqual(['KAFKA_TOPIC_MISSING'])
})

test.each([
  { what: 'whose own decisions are written puts out the owner of those that wait', own: false },
  { what: 'whose own decisions wait as well puts nobody out', own: true },
])('a process $what', async ({ own }) => {
  const { share, ledger, publisher, told } = sharing(() => null)
  share.onAssigned(assignment)
  await expect.poll(() => publisher.mine.size).toBe(1)
  wait(ledger, another)
  if (own) wait(ledger, mine)
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + 60_000)
  const { asked } = told
  await expect.poll(() => told.asked, { timeout: 5_000 }).toBeGreaterThan(asked + 2)
  expect(told.putOut).toEqual(own ? [] : ['n'])
})
