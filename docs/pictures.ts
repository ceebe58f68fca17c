// Draws the pictures of README and docs from the real command: each runs on a pseudo-terminal (`script` of
// util-linux), a terminal emulator keeps its screen, and what is on it becomes an SVG. Run: npm run pictures
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import xterm, { type IBufferCell } from '@xterm/headless'

// The demo lives in the present: at night or on a weekend every transaction would show a rule that is rare.
const lateNight = { fromHour: 23, toHour: 5 }
const [hour, day] = [new Date().getUTCHours(), new Date().getUTCDay()]
if (hour < lateNight.toHour + 4 || hour >= lateNight.fromHour - 1 || day === 0 || day === 6) {
  console.error('The pictures are of a working day: draw them between 9:00 and 22:00 UTC, Monday to Friday.')
  process.exit(1)
}

const root = dirname(import.meta.dirname)
const columns = 112
const cellWidth = 8.4
const lineHeight = 18
const margin = 14

/** The sixteen colours of a dark terminal. */
const palette = [
  ...['#1e1e2e', '#f38ba8', '#a6e3a1', '#f9e2af', '#89b4fa', '#cba6f7', '#94e2d5', '#cdd6f4'],
  ...['#6c7086', '#f38ba8', '#a6e3a1', '#f9e2af', '#89b4fa', '#cba6f7', '#94e2d5', '#ffffff'],
]
const [background, foreground] = [palette[0]!, palette[7]!]

type Picture = {
  readonly name: string
  readonly command: string
  readonly rows: number
  /** When the picture is taken: after so long, or when the command has ended. */
  readonly afterMs: number | null
}

const lakehouse = mkdtempSync(join(tmpdir(), 'assay-pictures-'))
const pictures: readonly Picture[] = [
  {
    name: 'demo',
    command: `npx assay demo --delta-base-path ${lakehouse}/demo`,
    rows: 38,
    afterMs: 60_000,
  },
  {
    name: 'why',
    command:
      `id=$(npx assay query --csv "select transaction_id from fraud_detection where is_high_velocity ` +
      `order by fraud_score desc, event_time limit 1" | tail -1); npx assay why $id`,
    rows: 56,
    afterMs: null,
  },
]

try {
  mkdirSync(join(root, 'docs', 'pictures'), { recursive: true })
  for (const picture of pictures) {
    const path = join(root, 'docs', 'pictures', `${picture.name}.svg`)
    writeFileSync(path, svg(await screenOf(picture)))
    console.log(path)
  }
} finally {
  rmSync(lakehouse, { recursive: true, force: true })
}

/** The cells on the screen of a terminal of so many rows, without empty lines at its end. */
async function screenOf({ command, rows, afterMs }: Picture): Promise<IBufferCell[][]> {
  const terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true })
  const { NO_COLOR, CI, ...environment } = process.env
  const env = { ...environment, TERM: 'xterm-256color', DELTA_BASE_PATH: join(lakehouse, 'demo') }
  const typed = `stty cols ${columns} rows ${rows}; ${command}`
  const child = spawn('script', ['-qfec', typed, '/dev/null'], { cwd: root, env, stdio: 'pipe' })
  const ended = once(child, 'exit')
  const written: Promise<void>[] = []
  child.stdout.on('data', (bytes: Buffer) => {
    written.push(new Promise((resolve) => terminal.write(bytes, resolve)))
  })
  if (afterMs === null) await ended
  else await new Promise((resolve) => setTimeout(resolve, afterMs))
  await Promise.all(written)
  const cells = cellsOf(terminal, rows)
  if (afterMs !== null) {
    child.stdin.write('\u0003') // Ctrl-C, as a person would stop it.
    await ended
  }
  return cells
}

function cellsOf(terminal: InstanceType<typeof xterm.Terminal>, rows: number): IBufferCell[][] {
  const buffer = terminal.buffer.active
  const lines = Array.from({ length: rows }, (_, row) => {
    const line = buffer.getLine(buffer.baseY + row)!
    return Array.from({ length: columns }, (_, column) => line.getCell(column)!)
  })
  const last = lines.findLastIndex((line) => line.some((cell) => cell.getChars().trim() !== ''))
  return lines.slice(0, last + 1)
}

function svg(lines: readonly IBufferCell[][]): string {
  const width = Math.ceil(columns * cellWidth + 2 * margin)
  const height = lines.length * lineHeight + 2 * margin
  const texts = lines.flatMap((line, row) => {
    const y = margin + row * lineHeight + 13
    return runsOf(line).map(({ column, text, style }) => {
      const x = (margin + column * cellWidth).toFixed(1)
      // The width is given, so that columns stay columns in any monospaced font.
      const length = (text.length * cellWidth).toFixed(1)
      return `<text x="${x}" y="${y}" textLength="${length}" ${style}>${escaped(text)}</text>`
    })
  })
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">\n` +
    `<rect width="100%" height="100%" rx="8" fill="${background}"/>\n` +
    `<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">\n` +
    `${texts.join('\n')}\n</g>\n</svg>\n`
  )
}

type Run = { readonly column: number; readonly text: string; readonly style: string }

/** Neighbouring cells of one look, without those that show nothing. */
function runsOf(line: readonly IBufferCell[]): Run[] {
  const runs: Run[] = []
  for (const [column, cell] of line.entries()) {
    const chars = cell.getChars() || ' '
    const last = runs.at(-1)
    const style = styleOf(cell)
    if (last?.style === style && last.column + last.text.length === column) {
      runs[runs.length - 1] = { ...last, text: last.text + chars }
    } else runs.push({ column, text: chars, style })
  }
  return runs
    .map((run) => ({ ...run, text: run.text.trimEnd() }))
    .filter(({ text }) => text !== '')
    .map((run) => {
      const text = run.text.trimStart()
      return { ...run, text, column: run.column + run.text.length - text.length }
    })
}

function styleOf(cell: IBufferCell): string {
  const fill = cell.isFgPalette() ? (palette[cell.getFgColor()] ?? foreground) : foreground
  const bold = cell.isBold() ? ' font-weight="bold"' : ''
  const dim = cell.isDim() ? ' opacity="0.6"' : ''
  return `fill="${fill}"${bold}${dim}`
}

/** Browsers take several spaces for one, but not those that do not break. */
function escaped(text: string): string {
  return text
    .replaceAll(' ', '\u00a0')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}
