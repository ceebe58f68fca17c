// Who gets which partitions of a group: all of them, in fair shares, and nobody loses one without need.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { partitionKey, type TopicPartition } from '../../../src/batches/offsets.ts'
import {
  begunBy,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Subscriber,
  sharesAround,
  sharesOf,
} from '../../../src/kafka/group-assignment.ts'
import { turnSeed as seed } from '../../turns.ts'

const partitions = (count: number, topic = 't'): TopicPartition[] =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition }))

const member = (memberId: string, owned: readonly TopicPartition[] = [], isReady = true): Subscriber => ({
  memberId,
  topics: ['t'],
  isReady,
  owned,
})

test(`each partition has one owner, and shares differ by one at most (repeat with SEED=${seed})`, () => {
  const claims = fc.array(fc.nat(20), { maxLength: 12 })
  const members = fc.array(fc.record({ isReady: fc.boolean(), claims }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(fc.nat(16), members, (count, all) => {
      const subscribers = all.map(({ isReady, claims: of }, index) =>
        member(
          `m-${index}`,
          [...new Set(of)].map((partition) => ({ topic: 't', partition })),
          isReady,
        ),
      )
      const shares = sharesOf(partitions(count), subscribers)
      const given = [...shares.values()].flat().map(partitionKey).sort()
      expect(given).toEqual(partitions(count).map(partitionKey).sort())
      const isAnyReady = all.some(({ isReady }) => isReady)
      const sizes = subscribers
        .filter(({ isReady }) => isReady || !isAnyReady)
        .map(({ memberId }) => shares.get(memberId)!.length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      // Who cannot work has nothing, unless nobody can.
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count)
    }),
    { seed },
  )
})

test('a change moves no more partitions than it has to', () => {
  const before = sharesOf(partitions(6), [member('a'), member('b')])
  const kept = (id: string): readonly TopicPartition[] => before.get(id)!
  const added = sharesOf(partitions(6), [member('a', kept('a')), member('b', kept('b')), member('c')])
  expect(added.get('c')).toHaveLength(2)
  for (const id of ['a', 'b']) for (const one of added.get(id)!) expect(kept(id)).toContainEqual(one)
  const gone = sharesOf(partitions(6), [member('a', added.get('a')!), member('c', added.get('c')!)])
  for (const id of ['a', 'c']) for (const one of added.get(id)!) expect(gone.get(id)).toContainEqual(one)
  const grown = sharesOf(partitions(8), [member('a', gone.get('a')!), member('c', gone.get('c')!)])
  for (const id of ['a', 'c']) for (const one of gone.get(id)!) expect(grown.get(id)).toContainEqual(one)
})

test(`a topic is shared by those that read it, and one of them says where it begins (repeat with SEED=${seed})`, () => {
  const names = ['a', 'b', 'c', 'd']
  const topics = fc.subarray(names, { minLength: 1 })
  const members = fc.array(fc.record({ topics, isReady: fc.boolean() }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(members, fc.subarray(names), (all, known) => {
      const subscribers = all.map((one, index) => ({ ...one, memberId: `m-${index}`, owned: [] }))
      const read = names.filter((name) => all.some((one) => one.topics.includes(name)))
      const every = read.flatMap((name) => partitions(3, name))
      const shares = sharesOf(every, subscribers)
      expect([...shares.values()].flat().map(partitionKey).sort()).toEqual(every.map(partitionKey).sort())
      const unknown = (of: readonly string[]): string[] => of.filter((name) => !known.includes(name))
      const saying = subscribers.filter((one) => {
        const share = shares.get(one.memberId)!
        for (const { topic } of share) expect(one.topics).toContain(topic)
        return begunBy(unknown(one.topics), share).length > 0
      })
      // Whatever the members read, somebody goes on, until the group has something of all topics.
      expect(saying.length > 0).toBe(unknown(read).length > 0)
    }),
    { seed },
  )
})

test('of several that read the same one alone says where it begins', () => {
  const all = ['m', 'n'].map((id) => ({ ...member(id), topics: ['a', 'b'] }))
  const shares = sharesOf([...partitions(2, 'a'), ...partitions(2, 'b')], all)
  const said = all.map(({ memberId }) => begunBy(['b', 'a'], shares.get(memberId)!))
  expect(said.toSorted((x, y) => x.length - y.length)).toEqual([[], ['b', 'a']])
})

test('two lakehouses of one group have their topics each, and do not count each other', () => {
  const [one, two] = [
    { ...member('m'), topics: ['a'] },
    { ...member('n'), topics: ['b'] },
  ] as const
  const shares = sharesOf([...partitions(2, 'a'), ...partitions(3, 'b')], [one, two])
  expect(sharesAround(one, [one, two], shares)).toEqual(new Map([['m', partitions(2, 'a')]]))
  expect(sharesAround(two, [one, two], shares)).toEqual(new Map([['n', partitions(3, 'b')]]))
})

test('what members tell each other comes back from its bytes, and bytes of others are none of it', () => {
  const owned = [...partitions(3, 'one'), ...partitions(2, 'two')]
  const said = { topics: ['one', 'two'], isReady: true, owned }
  expect(decodeSubscription('m', encodeSubscription(said))).toEqual({ memberId: 'm', ...said })
  const shares = new Map([
    ['m', owned],
    ['n', []],
  ])
  expect(decodeAssignment(encodeAssignment('n', shares))).toEqual(shares)
  expect(decodeAssignment(Buffer.alloc(0))).toEqual(new Map())
})
