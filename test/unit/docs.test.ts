import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { generatedPages } from '../../docs/generate.ts'
import { loadConfig } from '../../src/config/config.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'

const root = dirname(dirname(import.meta.dirname))

test.each(Object.entries(generatedPages))('%s is what "npm run docs" writes', (path, render) => {
  expect(readFileSync(join(root, path), 'utf8')).toBe(render())
})

test('a copy of .env.example with every line switched on is a valid configuration', () => {
  const lines = readFileSync(join(root, '.env.example'), 'utf8').split('\n')
  const assignments = lines.map((line) => /^#([A-Z_]+)=(.*)$/.exec(line)).filter((found) => found !== null)
  const environment = Object.fromEntries(
    assignments.map(([, name, value]) => [name!, value!.replaceAll('"', '')]),
  )
  expect(loadConfig(standardLakehouse, environment, join(root, 'absent')).hints).toEqual([])
})

const pages = ['', 'docs', 'docs/reference', 'docs/decisions', 'docs/guide', 'docs/runbooks'].flatMap(
  (folder) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder))
          .filter((name) => name.endsWith('.md'))
          .map((name) => join(folder, name))
      : [],
)

test.each(pages)('every relative link of %s leads somewhere', (page) => {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/```.*?```/gs, '') // Code holds no links.
  const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map((match) => match[1]!)
  const broken = links.filter((link) => !existsSync(join(root, dirname(page), link)))
  expect(broken).toEqual([])
})
