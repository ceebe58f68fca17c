// Where the characters of a YAML text are in its file: a condition is read as the value of a scalar, and its
// mistakes are told where they stand.

/**
 * The offset in `source` of each character of `value`, and of its end. `from` is where the scalar begins, its
 * quote or the sign of its block included.
 */
export function placesOf(source: string, from: number, value: string): readonly number[] {
  const quote = source[from] === '"' || source[from] === "'" ? source[from] : null
  const isBlock = source[from] === '|' || source[from] === '>'
  let at = quote !== null ? from + 1 : isBlock ? endOfLine(source, from) : from
  const places: number[] = []
  const isSpace = (character: string | undefined) => character !== undefined && /\s/.test(character)
  for (let index = 0; index < value.length; ) {
    if (quote === '"' && source[at] === '\\') {
      const size = escapeSize(source, at)
      if (source[at + 1] === '\n' || source[at + 1] === '\r') {
        at += 2
        while (isSpace(source[at])) at++
        continue
      }
      // A character beyond U+FFFF is two in JavaScript.
      const units = source[at + 1] === 'U' && value.codePointAt(index)! > 0xffff ? 2 : 1
      for (let unit = 0; unit < units; unit++) places[index++] = at
      at += size
    } else if (isSpace(value[index]) || isSpace(source[at])) {
      // Lines are folded and indented: a run of white space stands for another one.
      const start = at
      while (isSpace(source[at])) at++
      for (let run = 0; isSpace(value[index]); run++) {
        places[index++] = Math.min(start + run, Math.max(start, at - 1))
      }
    } else {
      places[index++] = at
      at += quote === "'" && source[at] === "'" ? 2 : 1
    }
  }
  places[value.length] = at
  return places
}

function endOfLine(source: string, from: number): number {
  const at = source.indexOf('\n', from)
  return at < 0 ? source.length : at
}

/** Of an escape in double quotes. */
function escapeSize(source: string, at: number): number {
  const digits = { x: 2, u: 4, U: 8 }[source[at + 1] ?? '']
  return 2 + (digits ?? 0)
}
