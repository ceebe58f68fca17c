import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { generatedPages } from '../../docs/generate.ts'
import { chapters, folders, others } from '../../site/contents.ts'
import { loadConfig } from '../../src/config/config.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'

const root = dirname(dirname(import.meta.dirname))

test.each(Object.entries(generatedPages))('%s is what "npm run docs" writes', (path, render) => {
  expect(readFileSync(join(root, path), 'utf8')).toBe(render())
})

test('every page that the site lists is there', () => {
  const listed = chapters
    .flatMap(({ pages: ofChapter }) => Object.keys(ofChapter))
    .map((page) => `${page}.md`)
  const absent = [...listed, ...others, ...Object.keys(folders)].filter(
    (path) => !existsSync(join(root, path)),
  )
  expect(absent).toEqual([])
})

test('a copy of .env.example with every line switched on is a valid configuration', () => {
  const lines = readFileSync(join(root, '.env.example'), 'utf8').split('\n')
  const assignments = lines.map((line) => /^#([A-Z_]+)=(.*)$/.exec(line)).filter((found) => found !== null)
  const environment = Object.fromEntries(
    assignments.map(([, name, value]) => [name!, value!.replaceAll('"', '')]),
  )
  expect(loadConfig(standardLakehouse, environment, join(root, 'absent')).hints).toEqual([])
})

const pages = ['', 'docs', 'examples', 'dbt'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: folder !== '', encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => join(folder, name)),
)
const packed = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).files as string[]).map(
  (path) => new RegExp(`^${RegExp.escape(path)}(/|$)`),
)
/** npm packs package.json without being asked. */
const isPacked = (path: string): boolean => path === 'package.json' || packed.some((one) => one.test(path))

test.each(pages)('a command of %s is called by npx, as it works in a checkout and in a project', (page) => {
  const lines = readFileSync(join(root, page), 'utf8').split('\n')
  expect(lines.filter((line) => /^( {4})?([A-Z_]+=\S+ )*assay /.test(line))).toEqual([])
})

test.each(pages)('every relative link of %s leads somewhere, in the package too', (page) => {
  const whole = readFileSync(join(root, page), 'utf8')
  expect(whole).not.toMatch(/^(<{7}|>{7}) /m) // A merge that was left undone.
  const text = whole.replaceAll(/```.*?```/gs, '') // Code holds no links.
  const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map((match) => match[1]!)
  const broken = links.filter((link) => {
    const target = join(dirname(page), link)
    return !existsSync(join(root, target)) || (isPacked(page) && !isPacked(target))
  })
  expect(broken).toEqual([])
})
