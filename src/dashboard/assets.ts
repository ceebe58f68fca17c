// What the browser loads: the pages as they were built, in memory, compressed once.
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

export type Asset = { readonly type: string; readonly bytes: Buffer; readonly gzipped: Buffer }

/** The same place from src/ in a checkout and from dist/ in a package. */
const builtPages = fileURLToPath(new URL('../../dist/dashboard/pages/', import.meta.url))

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** By the path of the URL; none where the pages were not built. */
export async function readAssets(directory = builtPages): Promise<ReadonlyMap<string, Asset>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  const assets = new Map<string, Asset>()
  for (const entry of entries) {
    const type = types[extname(entry.name)]
    if (!entry.isFile() || type === undefined) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = await readFile(path)
    const name = `/${path.slice(directory.length).replaceAll(sep, '/')}`
    assets.set(name === '/index.html' ? '/' : name, { type, bytes, gzipped: gzipSync(bytes, { level: 9 }) })
  }
  return assets
}
