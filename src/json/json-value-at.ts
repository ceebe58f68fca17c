// The value at a path of names in parsed JSON.

/** undefined where the way ends before: a name is missing, or what should have it is no object. */
export function jsonValueAt(document: unknown, path: readonly string[]): unknown {
  let found = document
  for (const name of path) {
    const isThere = typeof found === 'object' && found !== null && Object.hasOwn(found, name)
    found = isThere ? (found as Readonly<Record<string, unknown>>)[name] : undefined
  }
  return found
}
