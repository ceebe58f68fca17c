// What is sent is within the published limits, whatever a transaction holds, and its text stays text.
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AlertNotification, titleOf } from '../../../src/alerts/notification.ts'
import { pagerDutyEvent } from '../../../src/alerts/pagerduty.ts'
import { signedRequest } from '../../../src/alerts/signed-webhook.ts'
import { SinkSecrets } from '../../../src/alerts/sink-secrets.ts'
import { slackMessage } from '../../../src/alerts/slack.ts'
import { hostileMerchant } from './alerted-lakehouse.ts'
import { pagerDutyBytesMax, pagerDutyPayload, slackPayload, unescapedSigns } from './published-limits.ts'

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.constantFrom(hostileMerchant, '&'.repeat(4_000), '<!here>'.repeat(500), '\u202e', '😀'.repeat(200), ''),
)
const transaction = fc.record({
  cells: fc.dictionary(fc.constantFrom('merchant', 'amount', 'a'.repeat(300), 'country'), text),
  score: fc.integer({ min: 0, max: 500 }),
  level: fc.constantFrom('HIGH', 'CRITICAL'),
  sentences: fc.array(text, { maxLength: 40 }),
})
const counted = fc.array(fc.record({ name: text, count: fc.nat() }), { maxLength: 20 })
const notification: fc.Arbitrary<AlertNotification> = fc.record({
  id: fc.constant('0123456789abcdef0123456789abcdef'),
  kind: fc.constantFrom('transactions', 'digest'),
  route: fc.constant('a'.repeat(64)),
  severity: fc.constantFrom('critical', 'info'),
  raisedMs: fc.constant(0),
  count: fc.integer({ min: 1, max: 1_000_000 }),
  transactions: fc.array(transaction, { maxLength: 10 }),
  levels: counted,
  rules: counted,
  eventTimes: fc.constant({ first: '2026-10-01T10:00:00Z', last: '2026-10-01T11:00:00Z' }),
  health: fc.oneof(
    fc.constant(null),
    fc.record({ incident: text, key: text, finding: fc.constant('lag' as const), text, help: text }),
  ),
})

test('a message for Slack has no more blocks and characters than Slack takes, and no sign of its own', () => {
  fc.assert(
    fc.property(notification, (one) => {
      const message = slackMessage(one)
      slackPayload.parse(message)
      const texts = message.blocks.flatMap((block) =>
        block.type === 'context' ? block.elements.map((element) => element.text) : [block.text.text],
      )
      expect([...texts, message.text].flatMap(unescapedSigns)).toEqual([])
      expect(texts.join('').length).toBeLessThan(13_000)
      expect(texts.join('')).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Cs}]/u)
    }),
    { numRuns: 40 },
  )
})

test('an event for PagerDuty is one by its schema, of at most 512 KB', () => {
  fc.assert(
    fc.property(notification, (one) => {
      const event = pagerDutyEvent(one, 'key')
      pagerDutyPayload.parse(event)
      expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThanOrEqual(pagerDutyBytesMax)
      const resolved = pagerDutyEvent({ ...one, kind: 'resolved' }, 'key')
      pagerDutyPayload.parse(resolved)
      expect(resolved.dedup_key).toBe(event.dedup_key)
    }),
    { numRuns: 40 },
  )
})

const [sample] = fc.sample(notification, { seed: 7, numRuns: 1 })

test('rows that are too wide for PagerDuty stay out, the others are told', () => {
  const wide = { cells: { note: 'x'.repeat(100_000) }, score: 1, level: 'HIGH', sentences: [] }
  const event = pagerDutyEvent({ ...sample!, transactions: Array.from({ length: 10 }, () => wide) }, 'key')
  pagerDutyPayload.parse(event)
  const { transactions } = event.payload!.custom_details
  expect(transactions).toHaveLength(5)
})

test('a title is one line without what could steer who reads it', () => {
  const health = { incident: 'i', key: 'lag/a', finding: 'lag', text: hostileMerchant, help: '' } as const
  const title = titleOf({ ...sample!, kind: 'health', health })
  expect(title).toBe(
    'lag: <!channel> *Shop* & \ufffdnp.exe\ufffd \ufffd[2J `x` line'.replace('\ufffdnp', '\ufffdgnp'),
  )
})

test.each(['plain secret', `whsec_${Buffer.from('key of bytes').toString('base64')}`])(
  'who has the secret %s can tell that a webhook comes from here',
  (secret) => {
    const signing = new SinkSecrets({ S: secret }).readSigningKey('s', { kind: 'env', variable: 'S' })
    const { body, headers } = signedRequest(sample!, signing, 1_700_000_000)
    const key = secret.startsWith('whsec_') ? Buffer.from('key of bytes') : secret
    const signed = `${headers['webhook-id']}.1700000000.${body}`
    const signature = createHmac('sha256', key).update(signed).digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${signature}`)
    expect(JSON.parse(body).id).toBe(headers['webhook-id'])
  },
)
