// A mistake in a config as its author is told it: the file, the line, and what is wrong. The stack of a
// failure is how the line is found, and is not shown.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LakehouseError } from '../errors/errors.ts'
import type { ProjectHome } from './home.ts'

export function configMistake(error: unknown, home: ProjectHome): LakehouseError {
  const at = placeOf(error, home) ?? syntaxPlace(error, home) ?? relative(process.cwd(), home.configFile)
  const said = placedMistakes(error, home) ?? (error instanceof Error ? error.message : String(error))
  const code = error instanceof LakehouseError ? error.code : 'PROJECT_INVALID'
  const details = error instanceof LakehouseError ? error.details : {}
  return new LakehouseError(code, `${at}: ${withAdvice(said, error)}`, { cause: error, details })
}

/** What is wrong with tables, each with the place of its table; null for other mistakes. */
function placedMistakes(error: unknown, home: ProjectHome): string | null {
  const mistakes = error instanceof LakehouseError ? error.details?.mistakes : undefined
  if (!(error instanceof LakehouseError) || !Array.isArray(mistakes)) return null
  return mistakes.reduce((message: string, mistake: unknown) => {
    const [, path] = /^table ([a-z0-9_/]+)/.exec(String(mistake)) ?? []
    const at = path === undefined ? null : tablePlace(path, home)
    return at === null ? message : message.replace(String(mistake), () => `${String(mistake)} (${at})`)
  }, error.message)
}

/** Where a file of the project names the table, the first one of them. */
function tablePlace(path: string, home: ProjectHome): string | null {
  for (const file of sourceFiles(home)) {
    const index = linesOf(file).findIndex((line) =>
      [`'${path}'`, `"${path}"`].some((name) => line.includes(name)),
    )
    if (index >= 0) return `${relative(process.cwd(), file)}:${index + 1}`
  }
  return null
}

function withAdvice(said: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') {
    return `${said}: Node runs TypeScript as it is, and leaves out nothing but types.`
  }
  return code === 'ERR_MODULE_NOT_FOUND' ? said.replace(/ imported from .*$/, '') : said
}

/** `file:line` of the innermost place in the project's own files that the failure's stack names. */
function placeOf(error: unknown, home: ProjectHome): string | null {
  if (!(error instanceof Error)) return null
  const places = `${error.stack ?? ''}\n${importer(error)}`.matchAll(
    /(file:\/\/[^\s()]+?|\/[^\s():]+?|[A-Za-z]:\\[^\s():]+?):(\d+)(?::\d+)?\)?$/gm,
  )
  for (const [, file, line] of places) {
    const path = file!.startsWith('file:') ? fileURLToPath(file!.replace(/\?.*$/, '')) : file!
    if (isOwn(path, home)) return `${relative(process.cwd(), path)}:${line}`
  }
  return null
}

/** The place of an import that names what is not there. */
function importer(error: Error): string {
  const [, missing, from] = /^Cannot find \w+ '(.+)' imported from (.+)$/.exec(error.message) ?? []
  if (missing === undefined || from === undefined) return ''
  const lines = linesOf(from)
  const name = missing.split(/[\\/]/).at(-1)!
  const index = lines.findIndex((line) => /\b(import|from)\b/.test(line) && line.includes(name))
  return index < 0 ? '' : `${from}:${index + 1}`
}

function isOwn(path: string, { directory }: ProjectHome): boolean {
  return path.startsWith(directory + sep) && !path.includes(`${sep}node_modules${sep}`)
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return [] // It has gone since; the message alone has to do.
  }
}

const filesCheckedMax = 200

/** V8 keeps the place of a syntax mistake of a module for itself; a Node that only checks tells it. */
function syntaxPlace(error: unknown, home: ProjectHome): string | null {
  if (!(error instanceof SyntaxError)) return null
  for (const path of [home.configFile, ...sourceFiles(home)].slice(0, filesCheckedMax)) {
    const line = wrongLine(path)
    if (line !== null) return `${relative(process.cwd(), path)}:${line}`
  }
  return null
}

/** The project's own; a table's is before one that tests it, by its name. */
function sourceFiles({ directory }: ProjectHome): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|mts|js|mjs)$/.test(path) && !path.split(sep).includes('node_modules'))
    .sort((a, b) => Number(/test/.test(a)) - Number(/test/.test(b)) || (a < b ? -1 : 1))
    .map((path) => join(directory, path))
    .slice(0, filesCheckedMax)
}

function wrongLine(path: string): string | null {
  const text = linesOf(path).join('\n')
  const script = /ts$/.test(path) ? stripTypeScriptTypes(text) : text
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '--check', '-'], {
    input: script,
    encoding: 'utf8',
  })
  return /^(?:\[stdin\]|file:.*?\[eval\d*\]|-):(\d+)/m.exec(stderr)?.[1] ?? null
}
