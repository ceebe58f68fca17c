// The figures of the page of the worked example, and what its script makes of them for fewer transactions.
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..', '..')
export const examplePage = join(root, 'docs', 'guide', 'worked-example.md')
export const exampleScript = join(root, 'docs', 'worked-example.ts')

/** What stands between markers, by the name of the figures. */
export function figuresOf(text: string): ReadonlyMap<string, string> {
  const blocks = text.matchAll(/<!-- figures: (.+?) -->\n([\s\S]*?)<!-- end of figures -->/g)
  return new Map([...blocks].map(([, name, block]) => [name!, block!.trim()]))
}

/** Figures as their form alone: what another run, or another number of transactions, may change. */
export const formOf = (block: string): string =>
  block.replace(/\d[\d,.]*(?: %)?|–/g, '#').replaceAll('# (# to #)', '#')

/** What the page shows, and what the script writes of 40,000 transactions, with the picture that it draws. */
export async function writtenFigures(environment: NodeJS.ProcessEnv, ...more: readonly string[]) {
  const work = mkdtempSync(join(tmpdir(), 'assay-worked-example-'))
  try {
    const [page, picture] = [join(work, 'page.md'), join(work, 'picture.svg')]
    copyFileSync(examplePage, page)
    const files = ['--page', page, '--picture', picture]
    const args = [exampleScript, '--transactions', '40000', ...files, ...more]
    await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...environment } })
    const [shown, written] = [examplePage, page].map((path) => figuresOf(readFileSync(path, 'utf8')))
    const drawn = more.length > 0 ? null : readFileSync(picture, 'utf8')
    return { shown: shown!, written: written!, picture: drawn }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
