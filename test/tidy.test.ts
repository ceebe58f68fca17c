// The rules of the house that a machine can check and the linter does not.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import {
  judgedColumns,
  namedTables,
  roleColumns,
  sessionColumns,
  shadowColumns,
  windowColumns,
} from '../src/plan/index.ts'

const tables = namedTables(standardLakehouse)

const root = dirname(import.meta.dirname)

/** Imports go down only: a folder may import from the layers above its own in this list, and from itself. */
const layers: readonly (readonly string[])[] = [
  ['errors', 'steps'],
  ['columns', 'json', 'formats', 'model'],
  ['expr'],
  ['plan'],
  ['fraud', 'sql', 'batches', 'parquet', 'state', 'transactions', 'objects', 'metrics'],
  ['javascript'],
  ['rules'],
  ['kafka', 'files', 'delta', 'config', 'registry'],
  ['packages'],
  ['ops'],
  ['engines'],
  ['verify'],
  ['produce', 'lakehouse'],
  ['project'],
  ['testing'],
  ['query'],
  ['versions'],
  ['labels', 'backtest', 'review', 'decisions'],
  ['experiments', 'training'],
  ['dashboard', 'alerts'],
  ['cli'],
]

const pureFolders = [
  'expr',
  'json',
  'formats',
  'model',
  'plan',
  'columns',
  'sql',
  'state',
  'javascript',
  'fraud',
  'transactions',
  'rules',
]
/** Parsers: text in, a value out. */
const pureLibraries = [
  'yaml',
  '@marcbachmann/cel-js',
  'protobufjs',
  '@bufbuild/protobuf',
  '@bufbuild/protobuf/wkt',
]

type SourceFile = { readonly path: string; readonly text: string; readonly imports: readonly string[] }

const sources = filesOf('src', /\.ts$/)
const pageParts = filesOf('dashboard', /\.(?:tsx?|css)$/)
const tests = [...filesOf('test', /\.ts$/), ...filesOf('bench', /\.ts$/), ...filesOf('docs', /\.ts$/)]
const pages = [
  ...filesOf('docs', /\.md$/),
  ...filesOf('.', /^[^/]+\.(md|json|ts)$/, false),
  ...filesOf('.ci', /./),
]

function filesOf(folder: string, pattern: RegExp, recursive = true): readonly SourceFile[] {
  return readdirSync(join(root, folder), { recursive, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => pattern.test(path) && path !== 'package-lock.json')
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      const imports = [...text.matchAll(/^(?:import |(?:import|export|\})[^'"\n=;]*? from )'([^']+)'/gm)].map(
        (found) => found[1]!,
      )
      const lazy = [...text.matchAll(/\bimport\('([^']+)'\)/g)].map((found) => found[1]!)
      return { path, text, imports: [...imports, ...lazy] }
    })
}

/** `src/kafka/x.ts` is in `kafka`. */
function folderOf(path: string): string {
  return path.split('/')[1]!
}

function layerOf(folder: string): number {
  return layers.findIndex((layer) => layer.includes(folder))
}

test('every folder of src is in a layer', () => {
  const homeless = sources.map(({ path }) => path).filter((path) => layerOf(folderOf(path)) < 0)
  expect(homeless).toEqual([])
})

test('imports go down the layers only', () => {
  const upward = sources.flatMap(({ path, imports }) =>
    imports
      .filter((imported) => imported.startsWith('.'))
      .map((imported) => join(dirname(path), imported))
      .filter((target) => folderOf(target) !== folderOf(path))
      .filter((target) => layerOf(folderOf(target)) >= layerOf(folderOf(path)))
      .map((target) => `${path} imports ${target}`),
  )
  expect(upward).toEqual([])
})

test('no file imports itself by way of others', () => {
  const importsOf = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.filter((imported) => imported.startsWith('.')).map((imported) => join(dirname(path), imported)),
    ]),
  )
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' -> '))
    else if (!done.has(path)) for (const next of importsOf.get(path) ?? []) visit(next, [...way, path])
    done.add(path)
  }
  for (const { path } of sources) visit(path, [])
  expect(circles).toEqual([])
})

/** Names that stand for two things so far; one that is mended leaves this list. */
const namesOfTwoThings: readonly string[] = [
  'Cluster', // Of Kafka, and of Spark.
  'Engine', // What executes batches, and for which one SQL is written.
  'StartingOffsets', // The setting, and what Kafka is asked for.
  'batchRowsSql',
  'objectOf',
  'partitionKey',
  'rowsOf',
]

test('an exported name stands for one thing; the engines alone name their parts alike', () => {
  const declared =
    /^export (?:abstract )?(?:async )?(?:function\*?|const|let|class|type|interface|enum) (\w+)/gm
  const places = new Map<string, Set<string>>()
  for (const { path, text } of sources) {
    if (path.includes('/gen/')) continue
    for (const [, name] of text.matchAll(declared)) {
      const place = path.replace(/^src\/engines\/(?:embedded|spark)\/.*/, 'either engine')
      places.set(name!, (places.get(name!) ?? new Set()).add(place))
    }
  }
  const twice = [...places].filter(([name, paths]) => paths.size > 1 && !namesOfTwoThings.includes(name))
  expect(twice.map(([name, paths]) => `${name}: ${[...paths].join(', ')}`)).toEqual([])
})

test('expr, plan, sql and fraud are pure: no I/O, clock, randomness, environment or library', () => {
  const impure = sources
    .filter(({ path }) => pureFolders.includes(folderOf(path)))
    .flatMap(({ path, text, imports }) => {
      // A digest is a value of its bytes; nothing else of the module is.
      const isDigest = (imported: string): boolean =>
        imported === 'node:crypto' && text.includes("import { hash } from 'node:crypto'")
      const libraries = imports.filter(
        (imported) => !imported.startsWith('.') && !pureLibraries.includes(imported) && !isDigest(imported),
      )
      const uses =
        text.match(/\b(Date\.now|new Date\(\)|Math\.random|process\.|performance\.|fetch\()/g) ?? []
      return [...libraries, ...uses].map((found) => `${path}: ${found}`)
    })
  expect(impure).toEqual([])
})

test('rows of DuckDB are streamed by the one function that sees where a stream fails', () => {
  const unseen = [...sources, ...tests].filter(
    ({ path, text }) =>
      path !== 'src/engines/database.ts' && /onnect(?:ion|\(\))\)?\.stream(?:AndRead\w*)?\(/.test(text),
  )
  expect(unseen.map(({ path }) => path)).toEqual([])
})

/** They are handed a lakehouse, and know no table of one. */
const foldersOfAnyLakehouse = [
  ...['engines', 'verify', 'batches', 'plan', 'sql', 'delta', 'kafka', 'files', 'javascript', 'state', 'ops'],
]

/** Where a name of the lakehouse that ships may stand, and why. */
const namingFiles: Readonly<Record<string, string>> = {
  'src/ops/definitions.ts': 'what inputs read whose definitions were stored with their name alone',
  'src/verify/judge.ts': 'reads the records of the lakehouse that ships by hand',
  'src/verify/silver-cells.ts': 'the same',
  'src/engines/spark/connect/address.ts': 'an address of Spark has a user_id of its own',
}

/** Columns of the lakehouse that ships are called so; whoever computes anything has such things too. */
const wordsOfAnybody = ['expected', 'metric', 'rules_version', 'score', 'spread', 'variant']

test('engines and the proof name no table and no column of the lakehouse that ships, but those of roles', () => {
  const ofRoles = [
    ...Object.values(roleColumns),
    judgedColumns,
    shadowColumns,
    windowColumns,
    sessionColumns,
  ].flatMap(Object.keys)
  const names = new Set(tables.flatMap(({ path, rows }) => [path, ...Object.keys(rows.schema)]))
  const others = [...names].filter((name) => !ofRoles.includes(name) && !wordsOfAnybody.includes(name))
  // A name by itself: not a part of a longer one, of a path or of a text with a dot.
  const named = new RegExp(String.raw`(?<![\w$./-])(?:${others.join('|')})(?![\w$/-])`)
  const naming = sources
    .filter(({ path }) => foldersOfAnyLakehouse.includes(folderOf(path)) && !(path in namingFiles))
    .flatMap(({ path, text }) => {
      const code = text.replaceAll(/^\s*(?:\/\/|\/?\*).*$| \/\/ .*$/gm, '')
      return code.split('\n').flatMap((line, index) => {
        const found = named.exec(line)
        return found === null ? [] : [`${path}:${index + 1} names ${found[0]}`]
      })
    })
  expect(others.length).toBeGreaterThan(50)
  expect(naming).toEqual([])
})

test('one file of src/lakehouse is one table, and its path is the path of the table', () => {
  const files = sources
    .map(({ path }) => /^src\/lakehouse\/[1-9]-(.+)\.ts$/.exec(path)?.[1])
    .filter((path) => path !== undefined)
  expect(files.sort()).toEqual(tables.map((table) => table.path).sort())
})

test('files, and lines, are short enough to read', () => {
  const written = [...sources, ...tests, ...pageParts].filter(({ path }) => !path.includes('/gen/'))
  const long = written.flatMap(({ path, text }) => {
    const lines = text.split('\n')
    // A text (a message, SQL) is not broken for its width; the formatter keeps all other code within it.
    const isWide = (line: string): boolean => line.length > 110 && !/['"`]/.test(line.replace(/ \/\/ .*/, ''))
    const wide = lines.flatMap((line, index) => (isWide(line) ? [`${path}:${index + 1}`] : []))
    return lines.length > 501 ? [`${path} has ${lines.length} lines`, ...wide] : wide
  })
  expect(long).toEqual([])
})

test('only index.ts passes on what other files export', () => {
  const barrels = sources
    .filter(({ path }) => basename(path) !== 'index.ts')
    .filter(
      ({ text }) =>
        /^export \* from/m.test(text) || /^(\s*(\/\/.*|export [^=;]*? from '[^']+'))+\s*$/.test(text),
    )
  expect(barrels.map(({ path }) => path)).toEqual([])
})

test('every library that is imported is declared, and src uses none that only developers have', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const undeclared = (files: readonly SourceFile[], declared: Readonly<Record<string, string>>) =>
    files.flatMap(({ path, imports }) =>
      imports
        .filter((imported) => !/^(\.|node:)/.test(imported) && !builtinModules.includes(imported))
        .map((imported) =>
          imported
            .split('/')
            .slice(0, imported.startsWith('@') ? 2 : 1)
            .join('/'),
        )
        .filter((library) => !(library in declared))
        .map((library) => `${path}: ${library}`),
    )
  expect(undeclared(sources, dependencies)).toEqual([])
  // Configs of projects, in tests and examples, import the package by its name.
  const own = { 'assay-lakehouse': '' }
  expect(undeclared([...tests, ...pageParts], { ...dependencies, ...devDependencies, ...own })).toEqual([])
})

test('nothing names an issue, a path of one machine or a package registry', () => {
  // Spelled so that this file is not one of its own findings.
  const forbidden = new RegExp(
    [
      String.raw`(?:^|[\s(])#\d{1,6}\b`,
      String.raw`/(?:work|root|Users)/\w`,
      String.raw`\bregistry\.\w+\.\w+`,
    ].join('|'),
    'm',
  )
  const naming = [...sources, ...tests, ...pageParts, ...pages].flatMap(({ path, text }) => {
    const found = forbidden.exec(text)
    return found === null ? [] : [`${path}: ${found[0].trim()}`]
  })
  expect(naming).toEqual([])
})

test('a count is told with its unit by counted or unitOf, so that there are no 1 files', () => {
  const units =
    'rows|records|files|batches|commits|partitions|offsets|windows|groups|checks|columns|transactions'
  // Constants with a name are no counts, and a rate is not one either.
  const told = new RegExp(
    String.raw`\$\{(?!\w*(?:Max|_MAX|Minutes)\})[^{}]*\} (?:closed )?(?:${units})\b(?!/)`,
  )
  const counts = sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (told.test(line) ? [`${path}:${index + 1}`] : [])),
  )
  expect(counts).toEqual([])
})

test('the lock has the optional packages of every platform, or npm ci refuses it', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>
  }
  const missing = Object.values(packages)
    .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    .filter((name) => !(`node_modules/${name}` in packages))
  expect(missing).toEqual([])
})

test.skipIf(!existsSync(join(root, '.git')))('no file of the repository is a symbolic link', () => {
  // One that leads to modules elsewhere would replace those of whoever checks it out.
  const { stdout } = spawnSync('git', ['ls-files', '--stage'], { cwd: root, encoding: 'utf8' })
  expect(stdout).toContain('package.json')
  expect(stdout.split('\n').filter((line) => line.startsWith('120000'))).toEqual([])
})
