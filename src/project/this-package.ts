// A config imports the package whose command reads it, wherever that is installed: two copies in one process
// would be strangers to each other, and a new project has none before its first `npm install`.
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

const name = 'assay-lakehouse'
/** A file of this package: what it imports by the package's name is the package. */
const here = import.meta.url

let isInUse = false

export function useThisPackage(): void {
  if (isInUse) return
  isInUse = true
  registerHooks({
    resolve(specifier, context, next) {
      const isOurs = specifier === name || specifier.startsWith(`${name}/`)
      return next(specifier, isOurs ? { ...context, parentURL: here } : context)
    },
  })
}

/** The folder of the package. */
export const packageDirectory = fileURLToPath(new URL('../..', here))
