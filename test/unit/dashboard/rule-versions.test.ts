// What the card of the versions does: propose, approve and activate, each by who may.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RulesAnswer, VersionsAnswer } from '../../../src/dashboard/api.ts'
import type { Dashboard } from '../../../src/dashboard/server.ts'
import { hashPassword, writeUsers } from '../../../src/dashboard/users.ts'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import { type SmallLakehouse, smallLakehouse } from '../cli/small-lakehouse.ts'
import { Client, serve } from './served.ts'

const password = 'correct horse battery'
const shipped = readFileSync(rulesFile, 'utf8')
const other = shipped.replace('points: 30', 'points: 31')

let lakehouse: SmallLakehouse
let dashboard: Dashboard
const clients: Record<string, Client> = {}

beforeAll(async () => {
  lakehouse = await smallLakehouse()
  const { config } = lakehouse
  const usersFile = join(config.deltaBasePath, '..', 'users.json')
  const hash = await hashPassword(password)
  const roles = { ann: 'analyst', bob: 'approver', kim: 'approver', vic: 'viewer' } as const
  await writeUsers(
    usersFile,
    Object.entries(roles).map(([name, role]) => ({ name, role, hash })),
  )
  const rules = { ...config.rules, approval: 'other_person', keyFile: `${usersFile}.rules-key` } as const
  dashboard = await serve({ ...config, rules }, { usersFile })
  for (const name of Object.keys(roles)) {
    const client = new Client(dashboard.url)
    await client.session()
    await client.post('/api/login', { name, password })
    await client.session()
    clients[name] = client
  }
})
afterAll(async () => {
  await dashboard?.close()
  await lakehouse?.remove()
})

async function act(who: string, action: string, body: object): Promise<string> {
  const answer = await clients[who]!.post(`/api/rules/${action}`, body)
  if (answer.status !== 200) return `${answer.status} ${answer.body}`
  const { versions } = JSON.parse(answer.body) as VersionsAnswer
  return versions.map(({ version, status }) => `${version} ${status}`).join(', ')
}

test('what an analyst proposes another user approves, and nobody his own', async () => {
  expect(await act('vic', 'propose', { text: shipped })).toContain('403')
  expect(await act('kim', 'propose', { text: shipped, reason: 'as it ships' })).toBe('1 proposed')
  expect(await act('ann', 'propose', { text: 'rules: [' })).toContain('422')
  expect(await act('ann', 'activate', { version: 1 })).toContain('403')
  expect(await act('bob', 'activate', { version: 1 })).toContain('not approved')
  expect(await act('kim', 'approve', { version: 1 })).toContain('kim proposed version 1')
  expect(await act('bob', 'approve', { version: 1 })).toBe('1 approved')
  expect(await act('kim', 'activate', { version: 1 })).toBe('1 active')
  expect(await act('ann', 'propose', { text: other })).toBe('2 proposed, 1 active')
  expect(await act('bob', 'approve', { version: 'x' })).toContain('400')
  expect(await act('bob', 'approve', { version: 2 })).toBe('2 approved, 1 active')
  expect(await act('bob', 'activate', { version: 2 })).toBe('2 active, 1 retired')
  const active = JSON.parse((await clients.vic!.get('/api/rules')).body) as RulesAnswer
  expect(active.text).toBe(other)
  expect(await act('kim', 'rollback', { reason: 'too many' })).toBe('2 retired, 1 active')
})

test('everybody who may look sees the versions, what is other in each, and what he may do', async () => {
  const answer = JSON.parse((await clients.vic!.get('/api/rules/versions')).body) as VersionsAnswer
  expect(answer).toMatchObject({ approval: 'other_person', user: 'vic', mayPropose: false, mayDecide: false })
  const [second] = answer.versions
  expect(second).toMatchObject({ version: 2, authors: ['ann'], approvedBy: 'bob', reason: null })
  expect(second!.changes).toEqual(['high_amount: 31 points, 30 before'])
})

test('an analyst starts and ends a shadow without an approval, and a viewer does not', async () => {
  const third = shipped.replace('points: 30', 'points: 32')
  await act('ann', 'propose', { text: third })
  expect(await act('vic', 'shadow', { version: 3 })).toContain('403')
  expect(await act('bob', 'shadow', { version: 1 })).toContain('version 1 is active')
  const since = async (who: string, action: string): Promise<readonly (number | null)[]> => {
    const { body } = await clients[who]!.post(`/api/rules/${action}`, { version: 3 })
    return (JSON.parse(body) as VersionsAnswer).versions.map(({ shadowSinceMs }) => shadowSinceMs)
  }
  expect(await since('ann', 'shadow')).toEqual([expect.any(Number), null, null])
  expect(await since('ann', 'unshadow')).toEqual([null, null, null])
  const { status } = await clients.vic!.post('/api/shadows', {})
  expect(status).toBe(403)
  const none = await clients.ann!.post('/api/shadows', {})
  expect(none.body).toContain('no version of the rules said anything')
})
