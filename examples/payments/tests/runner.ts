// The tests run by `node --test` and by vitest alike: whichever has started them.
type Test = (name: string, run: () => Promise<void>) => void

export const test: Test =
  process.env.VITEST === undefined ? (await import('node:test')).test : (await import('vitest')).test
