// The hybrid of runs and packed bits that Parquet has for levels and for places in a dictionary.
import type { ByteWriter, Indexes } from './byte-writer.ts'

/** Packed values come in groups of eight. */
const groupSize = 8
/** A run costs a few bytes: it has to stand for as many bits of packed values. */
const runBitsMin = 64

export function bitWidth(greatest: number): number {
  return 32 - Math.clz32(greatest)
}

/** The values from `from` on, up to `to`, in `width` bits each; `width` is at most 24. */
export function writeHybrid(out: ByteWriter, values: Indexes, from: number, to: number, width: number): void {
  const runMin = Math.max(groupSize, runBitsMin / width)
  let packedFrom = from
  for (let at = from; at < to; ) {
    const value = values[at]!
    let end = at + 1
    while (end < to && values[end] === value) end++
    // Only the last group may be filled up with zeros: a run gives what the group before it lacks.
    const runFrom = at + ((groupSize - ((at - packedFrom) % groupSize)) % groupSize)
    if (end - runFrom >= runMin) {
      writePacked(out, values, packedFrom, runFrom, width)
      writeRun(out, value, end - runFrom, width)
      packedFrom = end
    }
    at = end
  }
  writePacked(out, values, packedFrom, to, width)
}

export function writeRun(out: ByteWriter, value: number, count: number, width: number): void {
  out.varint(count * 2)
  for (let bits = 0; bits < width; bits += 8) out.byte((value >>> bits) & 0xff)
}

function writePacked(out: ByteWriter, values: Indexes, from: number, to: number, width: number): void {
  if (from === to) return
  const groups = Math.ceil((to - from) / groupSize)
  out.varint(groups * 2 + 1)
  const end = out.length + groups * width
  out.packed(values, from, to, width)
  while (out.length < end) out.byte(0)
}
