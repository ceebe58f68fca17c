// Puts `assay` into node_modules/.bin of a checkout, so that `npx assay` finds it there as it does where the
// package is installed. A package that is a dependency gets its link from npm; this does nothing then.
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
if (existsSync(join(root, 'src', 'cli'))) {
  const link = join(root, 'node_modules', '.bin', 'assay')
  mkdirSync(dirname(link), { recursive: true })
  rmSync(link, { force: true })
  symlinkSync(join('..', '..', 'bin', 'assay.js'), link)
}
