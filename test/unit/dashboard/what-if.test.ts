// What if: the dashboard has a made-up transaction decided, without a trace, for analysts alone.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { WhatIfAnswer, WhatIfStart } from '../../../src/dashboard/api.ts'
import type { Dashboard } from '../../../src/dashboard/server.ts'
import { hashPassword, writeUsers } from '../../../src/dashboard/users.ts'
import { type SmallLakehouse, smallLakehouse } from '../cli/small-lakehouse.ts'
import { type Deciding, serveDeciding } from './deciding.ts'
import { Client, freePort, serve } from './served.ts'

let lakehouse: SmallLakehouse
let deciding: Deciding
const dashboards: Dashboard[] = []
beforeAll(async () => {
  lakehouse = await smallLakehouse()
  deciding = await serveDeciding(lakehouse.config)
})
afterAll(async () => {
  for (const dashboard of dashboards) await dashboard.close()
  await deciding?.close()
  await lakehouse?.remove()
})

async function clientOf(...args: Parameters<typeof serve>): Promise<Client> {
  const dashboard = await serve(...args)
  dashboards.push(dashboard)
  const client = new Client(dashboard.url)
  await client.session()
  return client
}

test('the example is decided by the rules, and so is a list; what is no JSON is refused', async () => {
  const client = await clientOf(deciding.config)
  const { example } = JSON.parse((await client.get('/api/decide')).body) as WhatIfStart
  const asked = async (text: string) => await client.post('/api/decide', { text })
  const { status, body } = await asked(example)
  expect(status, body).toBe(200)
  const [decision] = (JSON.parse(body) as WhatIfAnswer).decisions
  expect(decision).toMatchObject({ decision: 'scored', id: 'x-1', features: { tx_count_30min: 1 } })
  const rules = decision?.decision === 'scored' ? decision.rules.map(({ name }) => name) : []
  expect(rules).toEqual(expect.arrayContaining(['high_amount', 'crypto_payment', 'high_risk_country']))
  const list = JSON.parse((await asked(`[${example}, {"amount": 1}]`)).body) as WhatIfAnswer
  expect(list.decisions.map(({ decision: one }) => one)).toEqual(['scored', 'refused'])
  const wrong = await asked('{"amount":')
  expect([wrong.status, wrong.body]).toEqual([400, expect.stringContaining('no JSON')])
})

test('where nobody decides the answer says how to have it', async () => {
  const { decisions } = deciding.config
  const http = { ...decisions.http, port: await freePort() }
  const client = await clientOf({ ...deciding.config, decisions: { ...decisions, http } })
  const { status, body } = await client.post('/api/decide', { text: '{}' })
  expect([status, body]).toEqual([503, expect.stringContaining('DECISIONS_IN_RUN=on')])
})

test('a viewer may not ask, and neither may another site', async () => {
  const usersFile = `${lakehouse.config.deltaBasePath}-users.json`
  const hash = await hashPassword('a password of some length')
  await writeUsers(usersFile, [{ name: 'vic', role: 'viewer', hash }])
  const client = await clientOf(deciding.config, { usersFile })
  expect((await client.post('/api/decide', { text: '{}' })).status).toBe(401)
  await client.post('/api/login', { name: 'vic', password: 'a password of some length' })
  await client.session()
  expect((await client.post('/api/decide', { text: '{}' })).status).toBe(403)
  const open = await clientOf(deciding.config)
  expect((await open.post('/api/decide', { text: '{}' }, { 'x-assay-token': 'x' })).status).toBe(403)
})
