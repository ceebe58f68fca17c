// The hash by which Kafka's Java producer chooses the partition of a key. 32-bit arithmetic throughout.

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995
const SHIFT = 24

/** The partition that Java's default partitioner chooses for a key. */
export function partitionOfKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

/** As a signed 32-bit integer, as in Java. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes
  let hash = SEED ^ length
  const wholeEnd = length & ~3
  for (let index = 0; index < wholeEnd; index += 4) {
    let word =
      bytes[index]! | (bytes[index + 1]! << 8) | (bytes[index + 2]! << 16) | (bytes[index + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> SHIFT
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const rest = length - wholeEnd
  if (rest > 0) {
    if (rest === 3) hash ^= bytes[wholeEnd + 2]! << 16
    if (rest >= 2) hash ^= bytes[wholeEnd + 1]! << 8
    hash = Math.imul(hash ^ bytes[wholeEnd]!, MULTIPLIER)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  return hash ^ (hash >>> 15)
}
