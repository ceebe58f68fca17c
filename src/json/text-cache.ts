// Texts of a field that has few different values: the same bytes give the same string, made once.
import { type JsonSlice, sliceText } from './slice.ts'

const placeCount = 1024
/** Longer values are made each time. */
const valueWordsMax = 16
/** So many values are looked for before it is judged whether looking pays. */
const trialCount = 1024
/** It pays where that many of them were there: finding one takes a half of making it. */
const trialHitsMin = (trialCount * 3) / 4
/** Values that are made without looking after a trial that did not pay; doubled up to the greatest. */
const pauseCountMin = 8 * trialCount
const pauseCountMax = 256 * trialCount

/** Each value has one place; the value that came last has it. */
export class TextCache {
  readonly #texts: string[] = new Array(placeCount).fill('')
  /** In bytes; 0 where the place is free. */
  readonly #lengths = new Int32Array(placeCount)
  /** The bytes of each value; its last word may hold bytes of the word before. */
  readonly #words = new Int32Array(placeCount * valueWordsMax)
  /** Values until the trial or the pause ends. */
  #left = trialCount
  #hits = 0
  #isPaused = false
  #pauseCount = pauseCountMin

  /** The text of a string. */
  text(slice: JsonSlice): string {
    if (--this.#left < 0) this.#turn()
    const length = slice.end - slice.start
    if (this.#isPaused || length < 4 || length > valueWordsMax * 4) return sliceText(slice)
    const { buffer } = slice
    const start = slice.base + slice.start
    const lastWord = start + length - 4
    let hash = Math.imul(buffer.getInt32(start, true) ^ length, 0x9e3779b1 | 0)
    hash = Math.imul(hash ^ (hash >>> 15) ^ buffer.getInt32(lastWord, true), 0x85ebca6b | 0)
    hash = Math.imul(hash ^ (hash >>> 13) ^ buffer.getInt32((start + lastWord) >> 1, true), 0xc2b2ae35 | 0)
    const place = (hash ^ (hash >>> 16)) & (placeCount - 1)
    if (this.#lengths[place] === length && this.#isAt(place * valueWordsMax, buffer, start, lastWord)) {
      this.#hits++
      return this.#texts[place]!
    }
    const text = sliceText(slice)
    this.#texts[place] = text
    this.#lengths[place] = length
    let word = place * valueWordsMax
    for (let at = start; at < lastWord; at += 4) this.#words[word++] = buffer.getInt32(at, true)
    this.#words[word] = buffer.getInt32(lastWord, true)
    return text
  }

  #isAt(first: number, buffer: DataView, start: number, lastWord: number): boolean {
    const words = this.#words
    let word = first
    for (let at = start; at < lastWord; at += 4) if (words[word++] !== buffer.getInt32(at, true)) return false
    return words[word] === buffer.getInt32(lastWord, true)
  }

  /** Ends the trial or the pause. */
  #turn(): void {
    const pays = this.#hits >= trialHitsMin
    if (this.#isPaused || pays) {
      if (pays) this.#pauseCount = pauseCountMin
      this.#isPaused = false
      this.#left = trialCount
    } else {
      this.#isPaused = true
      this.#left = this.#pauseCount
      this.#pauseCount = Math.min(this.#pauseCount * 2, pauseCountMax)
    }
    this.#hits = 0
  }
}
