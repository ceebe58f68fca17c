// What a scanner of JSON has to find, by other means: TextDecoder and JSON.parse judge the text, and a list
// of its tokens tells each name that JSON.parse forgets.

export type NaiveValue = {
  /** As it stands in the document. */
  readonly text: string
  readonly members: readonly (readonly [name: string, value: NaiveValue])[]
}

/** The value of each path, null where the document has none; null where the document is malformed. */
export function naiveFields(
  bytes: Uint8Array,
  paths: readonly (readonly string[])[],
): readonly (NaiveValue | null)[] | null {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return null
  } catch {
    return null
  }
  const tokens = [...text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)]
  for (const [token] of tokens) {
    if (token.startsWith('"') && !JSON.parse(token).isWellFormed()) return null
  }
  const document = new Reader(text, tokens).value()
  if (hasNameTwice(document)) return null
  const found: (NaiveValue | null)[] = []
  for (const path of paths) {
    let value: NaiveValue | null = document
    for (const name of path) {
      if (value === null || hasNameTwice(value)) return null
      value = value.members.find(([of]) => of === name)?.[1] ?? null
      if (value === null) break
    }
    found.push(value)
  }
  return found
}

function hasNameTwice({ members }: NaiveValue): boolean {
  return new Set(members.map(([name]) => name)).size < members.length
}

/** Reads tokens of which JSON.parse has said that they are in order. */
class Reader {
  readonly #text: string
  readonly #tokens: readonly RegExpExecArray[]
  #next = 0

  constructor(text: string, tokens: readonly RegExpExecArray[]) {
    this.#text = text
    this.#tokens = tokens
  }

  value(): NaiveValue {
    const first = this.#tokens[this.#next++]!
    const members: [string, NaiveValue][] = []
    if (first[0] === '{' || first[0] === '[') {
      const close = first[0] === '{' ? '}' : ']'
      while (this.#tokens[this.#next]![0] !== close) {
        if (this.#tokens[this.#next]![0] === ',') this.#next++
        if (close === ']') this.value()
        else {
          const name = this.#tokens[this.#next]![0]
          this.#next += 2
          members.push([JSON.parse(name), this.value()])
        }
      }
      this.#next++
    }
    const last = this.#tokens[this.#next - 1]!
    return { text: this.#text.slice(first.index, last.index + last[0].length), members }
  }
}
