// A notification for an incoming webhook of Slack: blocks within its limits. All text is plain_text, in which
// nothing is markup, and &, < and > are escaped as Slack asks.
import { type AlertNotification, summaryLines, titleOf, transactionLines } from './notification.ts'
import { cutText, plainLine } from './plain-text.ts'

/** As Slack publishes them. */
export const slackLimits = {
  blocksMax: 50,
  headerCharactersMax: 150,
  sectionCharactersMax: 3_000,
  contextElementsMax: 10,
  /** Of `text`; longer ones are cut by Slack. */
  textCharactersMax: 4_000,
} as const

/** Blocks that come to more are refused, at a size that Slack does not publish. */
const allCharactersMax = 12_000
const contextCharactersMax = 300

type PlainText = { readonly type: 'plain_text'; readonly text: string; readonly emoji: false }

export type SlackBlock =
  | { readonly type: 'header' | 'section'; readonly text: PlainText }
  | { readonly type: 'context'; readonly elements: readonly PlainText[] }

export type SlackMessage = { readonly text: string; readonly blocks: readonly SlackBlock[] }

export function slackMessage(notification: AlertNotification): SlackMessage {
  const title = titleOf(notification)
  const { route, severity, id } = notification
  const sections = [
    summaryLines(notification).join('\n'),
    ...notification.transactions.map((transaction) => transactionLines(transaction).join('\n')),
  ]
  const context = `${severity} · ${route} · ${id}`
  return {
    text: plainText(title, slackLimits.headerCharactersMax).text,
    blocks: [
      { type: 'header', text: plainText(title, slackLimits.headerCharactersMax) },
      ...sectionBlocks(sections),
      { type: 'context', elements: [plainText(context, contextCharactersMax)] },
    ],
  }
}

/** As many as there is room for. */
function sectionBlocks(texts: readonly string[]): SlackBlock[] {
  const blocks: SlackBlock[] = []
  let left = allCharactersMax
  for (const text of texts) {
    if (text === '') continue
    if (blocks.length >= slackLimits.blocksMax - 2 || left <= 0) break
    const block = plainText(text, Math.min(left, slackLimits.sectionCharactersMax))
    blocks.push({ type: 'section', text: block })
    left -= block.text.length
  }
  return blocks
}

function plainText(text: string, charactersMax: number): PlainText {
  const lines = text.split('\n').map((line) => plainLine(line, charactersMax))
  return { type: 'plain_text', text: escaped(lines.join('\n'), charactersMax), emoji: false }
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** The limit counts what is sent: text is cut before it is escaped, so that no escape is cut in two. */
function escaped(text: string, charactersMax: number): string {
  let cut = cutText(text, charactersMax)
  for (;;) {
    const sent = cut.replaceAll(/[&<>]/g, (character) => escapes[character]!)
    if (sent.length <= charactersMax) return sent
    cut = cutText(cut, cut.length - Math.max(1, Math.ceil((sent.length - charactersMax) / escapeMost)))
  }
}

/** `&` becomes five characters: so many more than it was. */
const escapeMost = 4
