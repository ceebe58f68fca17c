// What a rebuilt table says of itself: up to which batch its rows were computed anew, and by which
// definitions. It is a txn action of the commit that replaced them; its version is the batch.
const prefix = 'assay/rebuilt/'

export type Rebuild = {
  /** Of the table's definition, in `ops/definitions`. */
  readonly hash: string
  /** Of the set that it is of, and with it the tables that it reads. */
  readonly set: string
  readonly batch: bigint
}

/** The txn actions of a rebuild up to the batch; those of earlier ones count no more. */
export function rebuiltTxns(
  before: ReadonlyMap<string, unknown>,
  { hash, set, batch }: Rebuild,
): Readonly<Record<string, bigint>> {
  const earlier = [...before.keys()].filter((appId) => appId.startsWith(prefix)).map((appId) => [appId, 0n])
  return { ...Object.fromEntries(earlier), [`${prefix}${set}/${hash}`]: batch }
}

/** The rebuild that reaches furthest; null for a table that never was rebuilt. */
export function newestRebuild(txns: ReadonlyMap<string, { readonly version: bigint }>): Rebuild | null {
  let newest: Rebuild | null = null
  for (const [appId, { version }] of txns) {
    if (!appId.startsWith(prefix) || version === 0n || (newest !== null && version < newest.batch)) continue
    const [set = '', hash = ''] = appId.slice(prefix.length).split('/')
    newest = { hash, set, batch: version }
  }
  return newest
}
