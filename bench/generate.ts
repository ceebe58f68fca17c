// How fast synthetic transactions are made as bytes, on one core: `npx node bench/generate.ts [rows]`.
import { createGenerator } from '../src/produce/generator.ts'

const rows = Number(process.argv[2] ?? 1_000_000)
const fromMs = Date.UTC(2026, 9, 1)
const everyMs = 86_400_000 / rows
const dirty = { duplicateShare: 0.02, disorderShare: 0.1, lateShare: 0.02, malformedShare: 0.01 }

for (const [name, options] of [
  ['clean', {}],
  ['dirty', dirty],
] as const) {
  const generator = createGenerator({ seed: 7, ...options })
  const before = process.cpuUsage()
  let bytes = 0
  for (let row = 0; row < rows; row++) bytes += generator.next(fromMs + row * everyMs).value.length
  const { user, system } = process.cpuUsage(before)
  const rowsPerSecond = Math.round((rows * 1e6) / (user + system))
  console.log(`${name}: ${rowsPerSecond} rows/s of CPU time, ${(bytes / rows).toFixed(1)} bytes a row`)
}
