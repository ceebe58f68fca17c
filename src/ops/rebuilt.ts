// What a rebuilt table says of itself: up to which batch its rows were computed anew, and by which
// definition. It is a txn action of the commit that replaced them.
const prefix = 'assay/rebuilt/'

export type Rebuild = {
  /** Of the table's definition, in `ops/definitions`. */
  readonly hash: string
  readonly batch: bigint
}

/** The application id of the txn action; its version is the batch. */
function rebuiltAppId(hash: string): string {
  return `${prefix}${hash}`
}

/** The txn actions of a rebuild up to the batch; those of earlier ones count no more. */
export function rebuiltTxns(
  before: ReadonlyMap<string, unknown>,
  hash: string,
  batch: bigint,
): Readonly<Record<string, bigint>> {
  const earlier = [...before.keys()].filter((appId) => appId.startsWith(prefix)).map((appId) => [appId, 0n])
  return { ...Object.fromEntries(earlier), [rebuiltAppId(hash)]: batch }
}

/** The rebuild that reaches furthest; null for a table that never was rebuilt. */
export function newestRebuild(txns: ReadonlyMap<string, { readonly version: bigint }>): Rebuild | null {
  let newest: Rebuild | null = null
  for (const [appId, { version }] of txns) {
    if (!appId.startsWith(prefix) || version === 0n || (newest !== null && version < newest.batch)) continue
    newest = { hash: appId.slice(prefix.length), batch: version }
  }
  return newest
}
