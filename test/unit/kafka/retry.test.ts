import { expect, test } from 'vitest'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import { Retrier, type RetryOptions } from '../../../src/kafka/retry.ts'

/** What is said about so many failures and the success behind them. */
async function noticesOf(failures: number, options: RetryOptions): Promise<string[]> {
  const notices: SourceNotice[] = []
  const retrier = new Retrier('broker:9092', { ...options, onNotice: (notice) => notices.push(notice) })
  let attempts = 0
  const attempt = async (): Promise<number> => {
    attempts += 1
    if (attempts <= failures) throw Object.assign(new Error('refused'), { code: 'PLT_KFK_NETWORK' })
    return attempts
  }
  expect(await retrier.run(attempt, new AbortController().signal)).toBe(failures + 1)
  return notices.map(({ code }) => code)
}

test('one failure that the first retry heals is not worth a notice', async () => {
  expect(await noticesOf(1, {})).toEqual([])
})

test('an outage is told when it begins and when it is over', async () => {
  expect(await noticesOf(4, {})).toEqual(['KAFKA_UNREACHABLE', 'KAFKA_BACK'])
})

test('while an outage lasts it is told again and again', async () => {
  const again = Array(3).fill('KAFKA_UNREACHABLE')
  expect(await noticesOf(4, { noticeEveryMs: 0 })).toEqual([...again, 'KAFKA_BACK'])
})

test('it gives up after its time, and says how long it waited and each thing as a sentence', async () => {
  const retrier = new Retrier('broker:9092', { giveUpAfterMs: 1 })
  const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'PLT_KFK_NETWORK' })
  const { signal } = new AbortController()
  const given = await retrier.run(() => Promise.reject(away), signal).catch((error: unknown) => error)
  expect(given).toMatchObject({
    code: 'KAFKA_UNREACHABLE',
    message: expect.stringMatching(/does not answer: connect ECONNREFUSED\. Check that the brokers run/),
    details: { waitedMs: expect.any(Number) },
  })
})
