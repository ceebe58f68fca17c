// Text of strangers (a merchant, a reason) in a message of ours: it neither steers a terminal nor turns a
// line around nor ends one, and has a length.

const notText = /[\p{C}\p{Zl}\p{Zp}]/gu
const whiteSpace = /[\t\n\r]+/g

/** One line of at most `charactersMax` UTF-16 units, cut between characters, the end marked by an ellipsis. */
export function plainLine(text: string, charactersMax: number): string {
  return cutText(text.toWellFormed().replaceAll(whiteSpace, ' ').replaceAll(notText, '\ufffd'), charactersMax)
}

export function cutText(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text
  const end = charactersMax - 1
  const isInside = /[\ud800-\udbff]/.test(text[end - 1]!)
  return `${text.slice(0, isInside ? end - 1 : end)}…`
}
