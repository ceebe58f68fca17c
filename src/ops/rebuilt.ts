// What a rebuilt table says of itself: up to which batch its rows were computed anew, and by which
// definition. It is a txn action of the commit that replaced them.
const prefix = 'assay/rebuilt/'

export type Rebuild = {
  /** Of the table's definition, in `ops/definitions`. */
  readonly hash: string
  readonly batch: bigint
}

/** The application id of the txn action; its version is the batch. */
export function rebuiltAppId(hash: string): string {
  return `${prefix}${hash}`
}

/** The rebuild that reaches furthest; null for a table that never was rebuilt. */
export function newestRebuild(txns: ReadonlyMap<string, { readonly version: bigint }>): Rebuild | null {
  let newest: Rebuild | null = null
  for (const [appId, { version }] of txns) {
    if (!appId.startsWith(prefix) || (newest !== null && version < newest.batch)) continue
    newest = { hash: appId.slice(prefix.length), batch: version }
  }
  return newest
}
