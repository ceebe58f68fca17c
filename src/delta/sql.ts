// Text that goes into SQL. Nothing reaches DuckDB unescaped.

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteText(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  // A statement ends at its first NUL, so one inside a value is spelled as a function call.
  return text.includes('\0') ? `(${quoted.replaceAll('\0', "' || chr(0) || '")})` : quoted
}

/**
 * A path as read_parquet takes it: it reads its argument as a pattern, so the pattern characters are escaped.
 */
export function quotePathToRead(path: string): string {
  return quoteText(literalPattern(path))
}

/** The pattern that matches this path alone. DuckDB permits patterns, not what they match. */
export function literalPattern(path: string): string {
  return path.replace(/[[*?]/g, (character) => `[${character}]`)
}
