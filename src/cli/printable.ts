// Messages on a terminal. They quote what strangers wrote (a topic, a record, a file name), and none of that
// may clear the screen, move the cursor or turn a line around.

// Controls and the first bytes of escape sequences, direction marks, unpaired surrogates, unassigned
// characters.
const notShown = /(?![\n\t])[\p{C}\p{Zl}\p{Zp}]/gu

/** The text with what could steer the terminal replaced by U+FFFD. Line feeds and tabs stay. */
export function printable(text: string): string {
  return text.replace(notShown, '\ufffd')
}

/** As `printable`, for text that has to stay on one line: line breaks and tabs become visible signs. */
export function printableLine(text: string): string {
  return printable(text).replace(/[\n\t]/g, (character) => (character === '\n' ? '␊' : '␉'))
}
