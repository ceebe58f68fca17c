// Every page in a real Chromium, beside a running pipeline.
import { appendFile } from 'node:fs/promises'
import { AxeBuilder } from '@axe-core/playwright'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Config, loadConfig } from '../../src/config/config.ts'
import type { Dashboard } from '../../src/dashboard/server.ts'
import { hashPassword, writeUsers } from '../../src/dashboard/users.ts'
import { embeddedEngine } from '../../src/engines/embedded/run.ts'
import { openFileSource } from '../../src/files/source.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { openReader } from '../../src/query/reader.ts'
import { type Deciding, serveDeciding } from '../unit/dashboard/deciding.ts'
import { observedTest, serve } from '../unit/dashboard/served.ts'
import { type Lakehouse, newLakehouse, testOptions, writeInput } from '../unit/engine/pipeline.ts'
import { chromiumAvailable, chromiumPath } from './tools.ts'

const pages = ['pipeline', 'fraud', 'review', 'aggregations', 'rules', 'quality', 'tables'] as const
/** Markup, a control character and marks that turn a line around. */
const nastyMerchant = '<img src=x onerror="document.title=1"><b>Shop\u0007 \u202Egnp.exe'
const waitMaxMs = 120_000

function transaction(index: number, merchant = `Shop ${index % 7}`, device = `d-${index % 9}`): string {
  const at = new Date(Date.UTC(2026, 9, 5, 12, 0, 0) + index * 1_000).toISOString()
  const risky = index % 5 === 0
  return `${JSON.stringify({
    transaction_id: `t-${index}`,
    user_id: 100 + (index % 20),
    amount: risky ? 9_000 + index : 20 + index,
    merchant,
    payment_method: risky ? 'crypto' : 'credit_card',
    location: risky ? 'Lagos, Nigeria' : 'Paris, France',
    device_id: device,
    timestamp: at,
  })}\n`
}

const many = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => transaction(from + index))

describe.skipIf(chromiumAvailable !== null)('the dashboard in Chromium', () => {
  let lakehouse: Lakehouse
  let config: Config
  let dashboard: Dashboard
  let observed: ReturnType<typeof observedTest>
  let deciding: Deciding
  let browser: Browser
  let page: Page
  let running: Promise<void>
  const stop = new AbortController()
  const problems: string[] = []

  beforeAll(async () => {
    lakehouse = await newLakehouse()
    await writeInput(lakehouse, [])
    await appendFile(
      lakehouse.input,
      [...many(0, 400), transaction(400, nastyMerchant, nastyMerchant)].join(''),
    )
    config = loadConfig(standardLakehouse, { DELTA_BASE_PATH: lakehouse.base }, `${lakehouse.base}/.env`)
    observed = observedTest(config)
    deciding = await serveDeciding(config)
    dashboard = await serve(deciding.config, { observed })
    const source = await openFileSource(lakehouse.input, { takeUnterminatedTail: false })
    const options = { ...testOptions, once: false, clock: () => BigInt(Date.now()) * 1000n }
    running = embeddedEngine
      .run({
        ...options,
        deltaBasePath: lakehouse.base,
        source,
        signal: stop.signal,
        tell: (event) => {
          observed.watch.onEvent(event)
          dashboard.onEvent(event)
        },
      })
      .finally(() => source.close())
    browser = await chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] })
    page = await newPage()
  })
  afterAll(async () => {
    stop.abort()
    await running
    await browser?.close()
    await dashboard?.close()
    await deciding?.close()
    await lakehouse?.remove()
  })

  async function newPage(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
    const made = await context.newPage()
    made.setDefaultTimeout(waitMaxMs)
    // What the policy of the page forbids is told here as well.
    made.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text())
    })
    made.on('pageerror', (error) => problems.push(error.message))
    return made
  }

  async function valueIn(sql: string): Promise<string> {
    const reader = await openReader(config)
    try {
      const [row] = await (await reader.select(sql)).getRowsJson()
      return String(row![0])
    } finally {
      reader.close()
    }
  }

  const isLoaded = async (at: Page, name: string): Promise<void> => {
    await at.goto('about:blank') // Another place of the same page would keep what was typed.
    await at.goto(`${dashboard.url}/#/${name}`)
    await at.locator('.page').waitFor()
    await at.getByText('Reading the tables').waitFor({ state: 'detached' })
  }

  test('its first load is small, and nothing comes from elsewhere', async () => {
    const sizes: number[] = []
    const hosts = new Set<string>()
    const first = await newPage()
    first.on('response', async (response) => {
      hosts.add(new URL(response.url()).host)
      if (/\/(?:$|assets)/.test(new URL(response.url()).pathname))
        sizes.push((await response.request().sizes()).responseBodySize)
    })
    await isLoaded(first, 'pipeline')
    await expect.poll(() => sizes.length, { timeout: waitMaxMs }).toBeGreaterThanOrEqual(3)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000)
    expect([...hosts]).toEqual([new URL(dashboard.url).host])
    await first.context().close()
  })

  test('shows the tables as they are, and moves with them', async () => {
    await isLoaded(page, 'pipeline')
    const rows = page.locator('[data-node="silver/transactions"]')
    await expect.poll(() => rows.textContent(), { timeout: waitMaxMs }).toContain('401 rows')
    expect(await valueIn('select count(*) from silver.transactions')).toBe('401')
    await appendFile(lakehouse.input, many(401, 700).join(''))
    await expect.poll(() => rows.textContent(), { timeout: waitMaxMs }).toContain('700 rows')
    expect(await valueIn('select count(*) from silver.transactions')).toBe('700')
  })

  test('text of records stays text', async () => {
    await isLoaded(page, 'fraud')
    await page.getByLabel('Text in any column').fill('onerror')
    await expect.poll(() => page.locator('.feed-list li').count(), { timeout: waitMaxMs }).toBe(1)
    const told = await page.locator('.feed-list').textContent()
    expect(told).toContain('<img src=x onerror="document.title=1"><b>Shop\ufffd \ufffdgnp.exe')
    expect(await page.locator('main img').count()).toBe(0)
    expect(await page.title()).toBe('Fraud · Assay')
  })

  test('the feed has the transactions of the table, and narrows them', async () => {
    await isLoaded(page, 'fraud')
    const risky = await valueIn('select count(*) from fraud_detection where requires_review')
    await expect.poll(() => page.locator('.feed-list li').count(), { timeout: waitMaxMs }).toBe(Number(risky))
    await page.locator('.feed-list button').first().click()
    const detail = page.locator('.detail')
    expect(await detail.textContent()).toContain('t-')
    expect(await detail.locator('.sentences li').count()).toBeGreaterThan(0)
    await detail.locator('a').first().click()
    await page.locator('.person-head').waitFor()
    const person = (await page.locator('.person-head h1 bdi').textContent())!
    const own = await valueIn(`select count(*) from silver.transactions where user_id = ${person}`)
    await expect.poll(() => page.locator('.feed-list li').count(), { timeout: waitMaxMs }).toBe(Number(own))
  })

  test('the keyboard alone gets to a transaction, to the SQL box and to its rows', async () => {
    await isLoaded(page, 'pipeline')
    await page.keyboard.press('2')
    await page.locator('.feed-list button').first().waitFor()
    for (let index = 0; index < 60; index++) {
      await page.keyboard.press('Tab')
      if (await page.evaluate("document.activeElement.closest('.feed-list') !== null")) break
    }
    await page.keyboard.press('Enter')
    await page.locator('.detail').waitFor()
    await page.keyboard.press('7')
    await page.locator('textarea').focus()
    await page.keyboard.press('ControlOrMeta+A')
    await page.keyboard.type('select count(*) as n from bronze.transactions')
    await page.keyboard.press('Control+Enter')
    await expect.poll(() => page.locator('.sql td').textContent(), { timeout: waitMaxMs }).toBe('700')
  })

  test('what is typed as soon as the SQL box is drawn stays', async () => {
    await isLoaded(page, 'pipeline')
    const typed = 'select 1 from bronze.transactions limit 1'
    await page.evaluate(`new MutationObserver((_, observer) => {
      const box = document.querySelector('textarea')
      if (box === null) return
      observer.disconnect()
      box.value = ${JSON.stringify(typed)}
      box.dispatchEvent(new InputEvent('input', { bubbles: true }))
    }).observe(document.body, { childList: true, subtree: true })`)
    await page.keyboard.press('7')
    await page.locator('.sql').waitFor()
    await page.getByText('History').waitFor() // The effects of the page have run.
    expect(await page.locator('textarea').inputValue()).toBe(typed)
  })

  test('a made-up transaction is decided, with its reasons, and leaves no row', async () => {
    await isLoaded(page, 'rules')
    const card = page.locator('.what-if')
    const box = card.getByLabel('Transaction as JSON')
    await expect.poll(() => box.inputValue(), { timeout: waitMaxMs }).toContain('"amount": 9000')
    await card.getByRole('button', { name: 'Decide' }).click()
    await card.getByText('+30 high_amount').waitFor()
    await box.fill('[{"amount": 1}]')
    await card.getByRole('button', { name: 'Decide' }).click()
    await card.getByText('Refused').waitFor()
    expect(await card.locator('.decided').textContent()).toContain('id_missing')
  })

  test('other rules are looked at as one types, and tried on the transactions that are there', async () => {
    await isLoaded(page, 'rules')
    const text = page.getByLabel('Text of the rules')
    const rules = await text.inputValue()
    expect(rules).toContain('high_amount')
    await text.fill(rules.replace('amount > 5000', 'amount > "<b>5000"'))
    await page.locator('.mistakes li').first().waitFor()
    const place = await page.locator('.mistakes button').first().textContent()
    const line = rules.split('\n').findIndex((one) => one.includes('amount > 5000')) + 1
    expect(place).toContain(`line ${line}:`)
    await text.fill(rules.replace('amount > 5000', 'amount > 10'))
    await page.getByText('high_amount: where amount > 10; before where amount > 5000').waitFor()
    await page.getByRole('button', { name: 'Run' }).click()
    const fired = page.locator('section[aria-label="Rules of candidate"] tr', { hasText: 'high_amount' })
    await expect.poll(() => fired.locator('td').nth(2).textContent(), { timeout: waitMaxMs }).toBe('700')
    expect(await valueIn('select count(*) from fraud_detection where amount > 10')).toBe('700')
    await page.getByRole('button', { name: 'Back to the active ones' }).click()
    expect(await text.inputValue()).toBe(rules)
  })

  /** What names the case at hand. */
  const caseOf = async (at: Page): Promise<string> => (await at.locator('.case-who .mono').textContent())!

  async function takeNext(at: Page): Promise<string> {
    await at.locator('.case').waitFor()
    await at.keyboard.press('n')
    await at.locator('.case-facts').waitFor()
    return await caseOf(at)
  }

  /** The key decides, and the next case comes by itself. */
  async function decideBy(at: Page, key: string): Promise<string> {
    const before = await caseOf(at)
    await at.keyboard.press(key)
    await expect.poll(() => caseOf(at), { timeout: waitMaxMs }).not.toBe(before)
    return before
  }

  test('the keyboard alone decides ten cases, and takes one back', async () => {
    await isLoaded(page, 'pipeline')
    const scored = () =>
      valueIn('select count(*) from fraud_detection where requires_review').catch(() => '0')
    await expect.poll(scored, { timeout: waitMaxMs }).not.toBe('0')
    await page.keyboard.press('3')
    await page.locator('.case').waitFor()
    for (const _ of ['at risk', 'money', 'age']) await page.keyboard.press('o')
    expect(await page.getByRole('radio', { name: 'Age' }).isChecked()).toBe(true)
    await takeNext(page)
    const decided: string[] = []
    for (const key of 'flufflufff') decided.push(await decideBy(page, key))
    expect(new Set(decided).size).toBe(10)
    const sql = 'select count(*) from review.verdicts'
    expect(await valueIn(`${sql} where verdict is not null and reviewer = 'local'`)).toBe('10')
    expect(await valueIn(`${sql} where verdict = 'fraud' and took_seconds >= 0`)).toBe('6')
    await page.keyboard.press('z')
    await expect.poll(() => caseOf(page), { timeout: waitMaxMs }).toBe(decided[9])
    expect(await valueIn('select undoes from review.verdicts where undoes is not null')).toBe('10')
    await page.keyboard.press('r')
    await page.keyboard.type('from the field: l')
    await page.keyboard.press('Escape')
    await decideBy(page, 'l')
    expect(await valueIn('select reason from review.verdicts order by sequence desc limit 1')).toBe(
      'from the field: l',
    )
  })

  test('text of records and of reviewers stays text where cases are decided', async () => {
    await isLoaded(page, 'review')
    const open = `fraud_detection where merchant like '<img%'`
    const place = await valueIn(`select "offset" from ${open}`)
    const taken = await page.evaluate(
      async ([offset, topic]) => {
        const session = (await (await fetch('/api/session')).json()) as { token: string }
        const headers = { 'content-type': 'application/json', 'x-assay-token': session.token }
        const body = JSON.stringify({ place: { topic, partition: 0, offset } })
        return (await fetch('/api/review/take', { method: 'POST', headers, body })).status
      },
      [place, await valueIn(`select topic from ${open}`)] as const,
    )
    expect(taken).toBe(200)
    await isLoaded(page, 'review')
    await page.locator('.case-facts').waitFor()
    const shown = '<img src=x onerror="document.title=1"><b>Shop\ufffd \ufffdgnp.exe'
    expect(await page.locator('.case-facts').textContent()).toContain(shown)
    await page.getByLabel('Reason').fill(nastyMerchant)
    await page.getByLabel('Reason').press('Escape')
    await decideBy(page, 'f')
    await expect.poll(() => page.locator('.own-list').textContent(), { timeout: waitMaxMs }).toContain(shown)
    expect(await page.locator('main img').count()).toBe(0)
    expect(await page.title()).toBe('Review · Assay')
  })

  test('two reviewers at once, on two dashboards, never have the same case', async () => {
    const usersFile = `${lakehouse.base}/../users.json`
    const password = 'correct horse battery'
    await writeUsers(usersFile, [{ name: 'ann', role: 'analyst', hash: await hashPassword(password) }])
    const second = await serve(config, { usersFile, observed })
    const other = await newPage()
    try {
      await other.goto(`${second.url}/#/review`)
      await other.getByLabel('Name').fill('ann')
      await other.getByLabel('Password').fill(password)
      await other.keyboard.press('Enter')
      await isLoaded(page, 'review')
      const [first, of] = await Promise.all([takeNext(page), takeNext(other)])
      expect(first).not.toBe(of)
      const seen: string[] = []
      for (const key of 'flf') seen.push(...(await Promise.all([decideBy(page, key), decideBy(other, key)])))
      expect(new Set(seen).size).toBe(6)
      const own = seen.map((event) => `'${event}'`).join(', ')
      const final = `select count(*) from review.verdicts where verdict in ('fraud', 'legitimate')`
      const isUndone = 'sequence in (select undoes from review.verdicts where undoes is not null)'
      expect(await valueIn(`${final} and event in (${own}) and not ${isUndone}`)).toBe('6')
      expect(await valueIn(`select count(*) from review.verdicts where reviewer = 'ann'`)).toBe('3')
    } finally {
      await other.context().close()
      await second.close()
    }
  })

  test('a query that is none says so', async () => {
    await isLoaded(page, 'tables')
    await page.locator('textarea').fill("from read_text('/etc/passwd')")
    await page.getByRole('button', { name: /^Run/ }).click()
    expect(await page.getByRole('alert').textContent()).toContain('reads tables alone')
    expect(problems.splice(0)).toEqual([expect.stringContaining('status of 422')])
  })

  test('open windows are marked, and their rows can be seen', async () => {
    await isLoaded(page, `aggregations/${encodeURIComponent('aggregations/country')}`)
    await page.locator('.bars button').first().waitFor()
    await page.getByText('open: it may still change').waitFor()
    await page.locator('.bars button').first().click()
    await page.getByRole('button', { name: 'Rows of this window' }).click()
    await page
      .getByRole('region', { name: 'Rows of the window', exact: true })
      .locator('tbody tr')
      .first()
      .waitFor()
  })

  test.each(['dark', 'light'] as const)(
    'has no fault that axe finds, and fits, in %s',
    async (colorScheme) => {
      const seen = await newPage({ colorScheme })
      for (const name of pages) {
        await isLoaded(seen, name)
        if (name === 'review') await takeNext(seen)
        for (const width of [390, 768, 1280, 1920]) {
          await seen.setViewportSize({ width, height: 900 })
          const over = () => seen.evaluate('document.documentElement.scrollWidth - innerWidth')
          await expect.poll(over, { timeout: 20_000, message: `${name} at ${width}` }).toBeLessThanOrEqual(0)
          if (width !== 390 && width !== 1280) continue
          const { violations } = await new AxeBuilder({ page: seen })
            .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
            .analyze()
          expect(violations.map(({ id, nodes }) => [name, width, id, nodes[0]?.html])).toEqual([])
        }
      }
      await seen.context().close()
    },
  )

  test('a process that is away leaves its last state with a banner, and the page comes back by itself', async () => {
    await isLoaded(page, 'pipeline')
    const port = Number(new URL(dashboard.url).port)
    expect(problems).toEqual([])
    await dashboard.close()
    await page.getByRole('alert').getByText('does not answer').waitFor()
    expect(await page.locator('[data-node="silver/transactions"]').textContent()).toContain('700 rows')
    dashboard = await serve(config, { port, observed })
    await page.getByRole('alert').waitFor({ state: 'detached' })
  })
})
