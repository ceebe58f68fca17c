// Looks again and again for something that ends what is at work.

export type Watch = {
  /** Aborted once it was found. */
  readonly found: AbortSignal
  /** Ends the looking. */
  end(): Promise<void>
}

/** A look that fails counts as nothing found: a disk that fails for a moment is looked at again. */
export function watchFor(isThere: () => Promise<boolean>, everyMs: number): Watch {
  const found = new AbortController()
  let looking: Promise<void> | null = null
  const look = async (): Promise<void> => {
    if (await isThere().catch(() => false)) found.abort()
    looking = null
  }
  const timer = setInterval(() => {
    looking ??= look()
  }, everyMs)
  timer.unref()
  return {
    found: found.signal,
    async end() {
      clearInterval(timer)
      await looking
    },
  }
}
