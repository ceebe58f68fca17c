// Which versions run as shadows: those that go with the lakehouse. What is wrong with one is told of it
// alone, and neither the version that decides nor another shadow is without its rows for it.
import type { Lakehouse, RulesVersion } from '../plan/index.ts'

type Shadow = NonNullable<RulesVersion['shadows']>[number]

/** A version that should run as a shadow, and cannot. */
export type ShadowFault = { readonly version: number; readonly cause: string }

export type RunningShadows = {
  readonly lakehouse: Lakehouse
  /** In the order of their numbers. */
  readonly shadows: readonly number[]
  readonly faults: readonly ShadowFault[]
}

/** `by` makes the lakehouse of those that run; what it fails with of one is the fault of that one. */
export function withShadows(
  by: (shadows: readonly Shadow[]) => Lakehouse,
  wanted: readonly Shadow[],
): RunningShadows {
  const faults: ShadowFault[] = []
  const running = wanted.filter((shadow) => {
    const cause = faultOf(() => by([shadow]))
    if (cause !== null) faults.push({ version: shadow.version, cause })
    return cause === null
  })
  return { lakehouse: by(running), shadows: running.map(({ version }) => version), faults }
}

/** Whatever it is that goes wrong: it is no reason to stop what decides. */
function faultOf(make: () => unknown): string | null {
  try {
    make()
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
