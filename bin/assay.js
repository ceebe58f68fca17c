#!/usr/bin/env node
// Starts the command: from the sources in a checkout (Node runs TypeScript as it is), from dist/ in a package.
import { existsSync } from 'node:fs'

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `assay needs Node 24 or later, this is ${process.version}. In a checkout, "npm ci" brings it and "npx assay" uses it.`,
  )
  process.exit(2)
}
const source = new URL('../src/cli/main.ts', import.meta.url)
await import((existsSync(source) ? source : new URL('../dist/cli/main.js', import.meta.url)).href)
