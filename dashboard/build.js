// Builds the pages of the dashboard into one script and one sheet of styles, which its server sends. It is run by
// "npm ci" in a checkout, and when the package is made.
import { fileURLToPath } from 'node:url'

const vite = await import('vite').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  console.warn('The pages of the dashboard are not built: vite, which builds them, is not installed.')
  return null
})
await vite?.build({
  configFile: false,
  root: import.meta.dirname,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('../dist/dashboard/pages', import.meta.url)),
    emptyOutDir: true,
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    target: 'es2023',
  },
})
