// alerts.yaml: what is right becomes a value, what is wrong is told where it stands, without a secret.
import { expect, test } from 'vitest'
import { validAlerts } from '../../../src/alerts/read-alerts.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'

const read = (text: string) => validAlerts(text, 'alerts.yaml', standardLakehouse)
const sinks = 'sinks: { s: { slack: { url: { env: SLACK_URL } } } }\n'

test('a file that is right', () => {
  const { routes, sinks: read_ } = read(`${sinks}routes: [{ name: a, level: [HIGH, CRITICAL], to: s }]\n`)
  expect(read_).toEqual([{ kind: 'slack', name: 's', url: { kind: 'env', variable: 'SLACK_URL' } }])
  expect(routes).toMatchObject([
    {
      name: 'a',
      to: ['s'],
      limit: { notificationsMax: 10, everyMs: 60_000 },
      on: { levels: ['HIGH', 'CRITICAL'] },
    },
  ])
})

test.each([
  ['', '1:1: the file is empty: sinks and routes are expected'],
  [`${sinks}routes: [{ name: a, level: HIHG, to: s }]`, '2:28: there is no level "HIHG": did you mean HIGH?'],
  [
    `${sinks}routes: [{ name: a, rule: high_amout, to: s }]`,
    '2:27: there is no rule "high_amout": did you mean high_amount?',
  ],
  [`${sinks}routes: [{ name: a, when: amont > 5, to: s }]`, '2:27: there is no amont: did you mean amount?'],
  [`${sinks}routes: [{ name: a, level: HIGH, to: t }]`, '2:38: there is no sink "t": there is s'],
  [`${sinks}routes: [{ name: a, to: s }]`, '2:10: what alerts is missing: level, rule, when or health'],
  [
    `${sinks}routes: [{ name: a, health: lagg, to: s }]`,
    '2:29: there is no finding "lagg": did you mean lag?',
  ],
  [
    `${sinks}routes: [{ name: a, level: HIGH, health: lag, to: s }]`,
    '2:21: level is of transactions: make it a route of its own',
  ],
  [
    `${sinks}routes: [{ name: a, level: HIGH, to: s, limit: { notifications: 0, every: 1 }}]`,
    '2:65: a number is expected: a whole number from 1 to 1000',
  ],
  [
    `${sinks}routes: [{ name: a, level: HIGH, to: s }]\nsilences: [{ until: soon }]`,
    '3:21: a time is expected, as in 2030-01-31T08:00:00Z',
  ],
])('a mistake is told with its place: %j', (text, mistake) => {
  expect(() => read(text)).toThrow(`alerts.yaml:${mistake}`)
})

test.each([
  '{ slack: { url: https://hooks.slack.com/services/T/B/top-secret } }',
  '{ pagerduty: { routing_key: top-secret } }',
  '{ webhook: { url: https://user:top-secret@host/, secret: { env: A } } }',
  '{ webhook: { url: https://host/?token=top-secret, secret: top-secret } }',
  '{ email: { server: "h:25", from: a@b, to: a@b, user: u, password: top-secret } }',
])('a secret in the text is a mistake, and is not repeated: %s', (sink) => {
  const mistake = (): string => {
    try {
      read(`sinks: { s: ${sink} }\nroutes: [{ name: a, level: HIGH, to: s }]`)
    } catch (error) {
      if (error instanceof LakehouseError) return error.message + JSON.stringify(error.details)
    }
    return ''
  }
  expect(mistake()).toContain('alerts.yaml:1:')
  expect(mistake()).not.toContain('top-secret')
})
