// Text laid out on a terminal: widths as it shows them, cells, bars, sparklines, short numbers.
import { styleText } from 'node:util'
import stringWidth from 'string-width'
import { printableLine } from './printable.ts'

/** Data longer than this is cut before anything is measured. */
const DATA_LENGTH_MAX = 400
const STACKED_MARKS = /(\p{M}{2})\p{M}+/gu

/**
 * Text from data, for a cell: one line, nothing in it acts on the terminal, no mark grows into other lines.
 */
export function cleanCell(text: string): string {
  return printableLine(text.slice(0, DATA_LENGTH_MAX)).replace(STACKED_MARKS, '$1')
}

/** How many columns the text takes: 2 for East Asian wide characters and emoji, none for escape sequences. */
export function displayWidth(text: string): number {
  return stringWidth(text)
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** At most `width` columns of a text without escape sequences; an ellipsis stands for what is left out. */
export function cutToWidth(text: string, width: number): string {
  if (width <= 0) return ''
  if (displayWidth(text) <= width) return text
  let cut = ''
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    used += displayWidth(segment)
    if (used > width - 1) break
    cut += segment
  }
  return `${cut}…`
}

/** Exactly `width` columns: cut, or filled with spaces on the right. */
export function fitLeft(text: string, width: number): string {
  const cut = cutToWidth(text, width)
  return cut + ' '.repeat(Math.max(0, width - displayWidth(cut)))
}

/** Exactly `width` columns: cut, or filled with spaces on the left. */
export function fitRight(text: string, width: number): string {
  const cut = cutToWidth(text, width)
  return ' '.repeat(Math.max(0, width - displayWidth(cut))) + cut
}

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan' | 'magenta'
export type Paint = (style: Style, text: string) => string

export const plain: Paint = (_, text) => text
/** Without colours (NO_COLOR): bold and dim stay, they are none. */
export const colourless: Paint = (style, text) =>
  style === 'bold' || style === 'dim' ? coloured(style, text) : text
export const coloured: Paint = (style, text) => styleText(style, text, { validateStream: false })

const BAR_EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const
const SPARKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const

/**
 * A horizontal bar of `share` (0 to 1) of `width` columns, to an eighth of a column, filled up with spaces.
 */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * width * 8)
  const drawn = '█'.repeat(Math.floor(eighths / 8)) + BAR_EIGHTHS[eighths % 8]!
  return drawn.padEnd(width)
}

/** One column for each value, its height in proportion to the greatest one. */
export function sparkline(values: readonly number[]): string {
  const greatest = Math.max(...values, 0)
  if (greatest === 0) return SPARKS[0].repeat(values.length)
  return values.map((value) => SPARKS[Math.round((value / greatest) * (SPARKS.length - 1))]!).join('')
}

const wholeNumber = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** 1234567 as 1,234,567. */
export function formatCount(value: number | bigint): string {
  return wholeNumber.format(value)
}

/** A measured time, rounded for reading: 85 ms, 1.2 s, 3 min 5 s, 2 h 14 min, 4 d 3 h. */
export function formatElapsed(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  return `${Math.floor(minutes / (24 * 60))} d ${Math.floor(minutes / 60) % 24} h`
}
