#!/usr/bin/env -S node --max-semi-space-size=8
// Starts the command: from the sources in a checkout (Node runs TypeScript as it is), from dist/ in a package.
// V8 would let young objects fill 32 MiB, within an hour of steady work: 8 MiB are as fast here.
import { existsSync } from 'node:fs'
import module from 'node:module'

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `assay needs Node 24 or later, this is ${process.version}. "npm ci" in a checkout brings it, as "npm install -D node@24" does in a project, and "npx assay" uses it.`,
  )
  process.exit(2)
}
// DuckDB holds a thread of the pool for each statement that runs (windows, compaction), and a compression for
// each page: with Node's four none would be left to write a batch. See docs/decisions/latency.md.
process.env.UV_THREADPOOL_SIZE ??= '8'
// What was compiled once is not compiled again, which makes a restart faster. The cache is written at the
// end of a process, which may be a kill: so also as soon as everything is loaded.
module.enableCompileCache()
setTimeout(module.flushCompileCache, 3_000).unref()
const source = new URL('../src/cli/main.ts', import.meta.url)
await import((existsSync(source) ? source : new URL('../dist/cli/main.js', import.meta.url)).href)
