import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Dashboard } from '../../../src/dashboard/server.ts'
import { hashPassword, writeUsers } from '../../../src/dashboard/users.ts'
import { openReader } from '../../../src/query/reader.ts'
import { type SmallLakehouse, smallLakehouse } from '../cli/small-lakehouse.ts'
import { Client, freePort, serve } from './served.ts'

let lakehouse: SmallLakehouse
let usersFile: string
let dashboard: Dashboard | null = null
const password = 'correct horse battery'

beforeAll(async () => {
  lakehouse = await smallLakehouse()
  usersFile = join(lakehouse.config.deltaBasePath, '..', 'users.json')
  const hash = await hashPassword(password)
  await writeUsers(usersFile, [
    { name: 'ann', role: 'analyst', hash },
    { name: 'vic', role: 'viewer', hash },
  ])
})
afterAll(() => lakehouse.remove())
afterEach(async () => {
  await dashboard?.close()
  dashboard = null
})

async function open(options: Parameters<typeof serve>[1] = {}): Promise<Client> {
  dashboard = await serve(lakehouse.config, options)
  return new Client(dashboard.url)
}

describe('on this machine without users', () => {
  test('everybody is let in, as the owner of the machine', async () => {
    const client = await open()
    const { user, hasUsers } = await client.session()
    expect(user).toEqual({ name: 'local', role: 'admin', seesIds: true })
    expect(hasUsers).toBe(false)
    expect((await client.get('/api/lakehouse')).status).toBe(200)
  })

  test('a name that another site pointed here is not answered', async () => {
    const client = await open()
    const { port } = new URL(client.url)
    const status = await new Promise((resolve, reject) => {
      const headers = { host: `rebound.example:${port}` }
      const asked = request({ port, host: '127.0.0.1', path: '/api/session', headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      asked.on('error', reject).end()
    })
    expect(status).toBe(421)
  })

  test('what a page of another site sends is refused', async () => {
    const client = await open()
    await client.session()
    const sent = await client.post('/api/sql', { sql: 'select 1' }, { origin: 'https://other.example' })
    expect(sent.status).toBe(403)
  })
})

describe('with users', () => {
  test('nothing is told before the login but the title', async () => {
    const client = await open({ usersFile })
    expect(await client.session()).toEqual({ user: null, token: null, hasUsers: true, title: 'Assay test' })
    for (const path of [
      '/api/lakehouse',
      '/api/events',
      '/api/table?path=fraud_detection',
      '/api/transactions',
    ]) {
      expect([path, (await client.get(path)).status]).toEqual([path, 401])
    }
    expect((await client.post('/api/sql', { sql: 'select 1' })).status).toBe(401)
  })

  test('who logs in has a cookie that no script reads and no other site sends', async () => {
    const client = await open({ usersFile })
    const answer = await client.post('/api/login', { name: 'ann', password })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('set-cookie')).toMatch(
      /^assay_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/,
    )
    expect((await client.session()).user).toEqual({ name: 'ann', role: 'analyst', seesIds: true })
    await client.post('/api/logout', {})
    expect((await client.session()).user).toBeNull()
  })

  test('a request that changes something needs the token of the session', async () => {
    const client = await open({ usersFile })
    await client.post('/api/login', { name: 'ann', password })
    await client.session()
    const withoutToken = await client.post(
      '/api/sql',
      { sql: 'select 1' },
      { 'x-assay-token': 'x'.repeat(43) },
    )
    expect(withoutToken.status).toBe(403)
    expect((await client.post('/api/sql', { sql: 'select 1' })).status).toBe(200)
    const form = await client.post('/api/sql', { sql: 'select 1' }, { 'content-type': 'text/plain' })
    expect(form.status).toBe(415)
  })

  test('too many wrong passwords close the door to that name, and it is noted who tried', async () => {
    const client = await open({ usersFile })
    const tries: number[] = []
    for (let index = 0; index < 7; index++) {
      tries.push((await client.post('/api/login', { name: 'ann', password: `wrong ${index}` })).status)
    }
    expect(tries).toEqual([401, 401, 401, 401, 401, 429, 429])
    const right = await client.post('/api/login', { name: 'ann', password })
    expect(right.status).toBe(429)
    expect(Number(right.headers.get('retry-after'))).toBeGreaterThan(60)
    expect((await client.post('/api/login', { name: 'vic', password })).status).toBe(200)
    await dashboard!.close()
    dashboard = null
    const reader = await openReader(lakehouse.config)
    const sql = `select "user", action, count(*) as n from ops.audit where action = 'login_refused' group by all`
    const rows = await (await reader.select(sql)).getRowObjectsJson()
    reader.close()
    expect(rows).toEqual([{ user: 'ann', action: 'login_refused', n: '1' }])
  })

  test('who is taken out of the file is out at once', async () => {
    const client = await open({ usersFile })
    await client.post('/api/login', { name: 'vic', password })
    expect((await client.get('/api/lakehouse')).status).toBe(200)
    await writeUsers(usersFile, [{ name: 'ann', role: 'analyst', hash: await hashPassword(password) }])
    await expect.poll(async () => (await client.get('/api/lakehouse')).status, { timeout: 10_000 }).toBe(401)
  })
})

test('at an address that others can reach it does not start without users', async () => {
  await expect(serve(lakehouse.config, { host: '0.0.0.0' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('assay users add'),
  })
})

test('a port that is taken moves on to the next, and says from which', async () => {
  const port = await freePort()
  dashboard = await serve(lakehouse.config, { port })
  const second = await serve(lakehouse.config, { port })
  try {
    expect(dashboard.movedFrom).toBeNull()
    expect(second.movedFrom).toBe(port)
    expect(new URL(second.url).port).not.toBe(String(port))
    expect((await new Client(second.url).session()).title).toBe('Assay test')
  } finally {
    await second.close()
  }
})

test('every answer forbids scripts and styles that are not its own, frames and guesses of its type', async () => {
  const client = await open()
  for (const path of ['/', '/api/session', '/api/nothing', '/nothing']) {
    const { headers } = await client.get(path)
    const policy = headers.get('content-security-policy')!
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toMatch(/unsafe|\*|data:/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-frame-options')).toBe('DENY')
  }
})

test('a request that is too large, no JSON, or of another method is refused with its reason', async () => {
  const client = await open()
  await client.session()
  expect((await client.post('/api/sql', { sql: 'x'.repeat(100_000) })).status).toBe(413)
  expect((await client.post('/api/lakehouse', {})).status).toBe(405)
  expect((await client.get('/api/../../etc/passwd')).status).toBe(404)
  expect((await client.get('/assets/..%2f..%2fpackage.json')).status).toBe(404)
})
