// Draws the pictures of the dashboard from a real demo, in a real Chromium. Run: npm run pictures:dashboard
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { chromiumPath } from '../test/services/tools.ts'

const root = dirname(import.meta.dirname)
const directory = join(root, 'docs', 'pictures')
const viewport = { width: 1280, height: 900 }
const rowsMin = 2_000
const seconds = 240

type Picture = {
  readonly name: string
  readonly page: string
  readonly scheme: 'dark' | 'light'
  readonly isReady: (page: Page) => Promise<void>
}

const pictures: readonly Picture[] = [
  {
    name: 'dashboard-pipeline',
    page: 'Pipeline',
    scheme: 'dark',
    isReady: (page) => page.getByText('Live', { exact: true }).waitFor(),
  },
  {
    name: 'dashboard-fraud',
    page: 'Fraud',
    scheme: 'light',
    isReady: (page) => page.getByText('critical').first().waitFor(),
  },
  { name: 'dashboard-review', page: 'Review', scheme: 'light', isReady: review },
]

if (chromiumPath === null) throw new Error('There is no Chromium on this machine.')
const work = mkdtempSync(join(tmpdir(), 'assay-pictures-'))
const args = [
  'demo',
  '--rate',
  '200',
  '--seconds',
  String(seconds),
  '--delta-base-path',
  join(work, 'lakehouse'),
]
const demo = spawn(process.execPath, [join(root, 'bin', 'assay.js'), ...args], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const ended = once(demo, 'exit')
try {
  const url = await addressOf(demo.stdout)
  const browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] })
  for (const { name, page: title, scheme, isReady } of pictures) {
    const page = await (await browser.newContext({ viewport, colorScheme: scheme })).newPage()
    await page.goto(url)
    await page.getByRole('link', { name: title }).click()
    await isReady(page)
    await page.screenshot({ path: join(directory, `${name}.png`) })
    console.log(`docs/pictures/${name}.png`)
  }
  await browser.close()
} finally {
  demo.kill('SIGTERM')
  await ended
  rmSync(work, { recursive: true, force: true })
}

/** With some cases decided, and another one at hand. */
async function review(page: Page): Promise<void> {
  await page.locator('.case').waitFor()
  await page.keyboard.press('n')
  for (const key of 'ffflfuff') {
    await page.locator('.case-facts').waitFor()
    const decided = await page.locator('.case-who .mono').textContent()
    await page.keyboard.press(key)
    const other = page.locator('.case-who .mono').filter({ hasNotText: decided! })
    await other.waitFor()
  }
  await page.locator('.case-history').waitFor()
}

/** Once the demo has rows enough to show. The output is read on: a full pipe would hold the demo. */
function addressOf(output: NodeJS.ReadableStream): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  output.on('data', (part: Buffer) => {
    text += part
    const url = /The dashboard is at (\S+)/.exec(text)?.[1]
    const records = [...text.matchAll(/^([\d,]+) records/gm)].at(-1)?.[1]?.replaceAll(',', '')
    if (url !== undefined && Number(records ?? 0) >= rowsMin) resolve(url)
  })
  output.on('end', () => reject(new Error('The demo ended before it had rows.')))
  return promise
}
