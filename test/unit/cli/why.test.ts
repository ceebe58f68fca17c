import { afterAll, beforeAll, expect, test } from 'vitest'
import { why } from '../../../src/cli/why.ts'
import { shopRules } from '../../../src/lakehouse/rules.ts'
import { rulesOfFirst, type SmallLakehouse, smallLakehouse } from './small-lakehouse.ts'

let lakehouse: SmallLakehouse
beforeAll(async () => {
  lakehouse = await smallLakehouse()
})
afterAll(() => lakehouse.remove())

test('an accepted transaction tells its record, its rules with points, and its window', async () => {
  const story = await why(lakehouse.config, 't-1')
  expect(story).toMatch(/topic +tx\n +partition +0\n +offset +0\n +Kafka time +2024-03-10T10:00:30\.000000Z/)
  expect(story).toContain('{"transaction_id":"t-1","amount":6000}')
  const fired = shopRules.rules.filter(({ name }) => rulesOfFirst.includes(name))
  const sum = fired.reduce((total, { points }) => total + points, 0)
  expect(story).toContain(`score ${sum}, HIGH, requires review`)
  expect(story).toMatch(/^ +\+30 {2}high_amount +6000\.00 is more than 5000$/m)
  expect(story).toMatch(/^ +\+20 {2}crypto_payment +paid with .*$/m)
  expect(story).toMatch(/^ +\+5 {2}weekend +on a weekend$/m)
  expect(story).not.toContain('rules have changed')
  expect(story).toContain('user 7, the 30 minutes until 2024-03-10 10:00:00.000001Z (1 transaction)')
})

test('a transaction that came twice tells both fates, and its window what arrived before', async () => {
  const story = await why(lakehouse.config, 't-2')
  expect(story).toContain('t-2: accepted')
  expect(story).toContain('(2 transactions)')
  expect(story).toContain('refused: duplicate')
  expect(story).not.toContain('\x1b')
})

test('a refused transaction tells every reason and its value', async () => {
  const story = await why(lakehouse.config, 't-9')
  expect(story).toContain('refused: amount_invalid, timestamp_invalid')
  expect(story).toMatch(/offset +3/)
  expect(story).toContain('{"transaction_id":"t-9"}')
})

test('the place of a record names it too, accepted or refused', async () => {
  expect(await why(lakehouse.config, 'tx/0/0')).toBe(await why(lakehouse.config, 't-1'))
  expect(await why(lakehouse.config, 'tx/0/4')).toMatch(/^tx\/0\/4: refused: malformed\n/)
  await expect(why(lakehouse.config, 'tx/0/5')).rejects.toMatchObject({ code: 'TRANSACTION_NOT_FOUND' })
})

test('an id that no table knows is a failure of its own, also where it is a part of another', async () => {
  for (const id of ['t-', 'nobody', "' or 1=1 --", '', ' ']) {
    await expect(why(lakehouse.config, id)).rejects.toMatchObject({ code: 'TRANSACTION_NOT_FOUND' })
  }
})

test('a record that is no JSON is told as one that holds the text, not as the transaction', async () => {
  const story = await why(lakehouse.config, 'arb')
  expect(story).toMatch(
    /^arb \(a record that is no JSON object and somewhere holds this text\): refused: malformed/,
  )
})
