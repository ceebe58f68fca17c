// How long each part of a batch takes: told when the part ends, and kept for the journal.
import type { OnEvent } from './events.ts'

export class Phases {
  readonly ms: Record<string, number> = {}
  readonly #batch: bigint
  readonly #tell: OnEvent
  #now: { readonly name: string; readonly sinceMs: number } | null = null

  constructor(batch: bigint, tell: OnEvent) {
    this.#batch = batch
    this.#tell = tell
  }

  begin(name: string): void {
    this.end()
    this.#now = { name, sinceMs: performance.now() }
  }

  end(): void {
    if (this.#now === null) return
    const { name, sinceMs } = this.#now
    this.#now = null
    this.add(name, performance.now() - sinceMs)
  }

  /** What took so long elsewhere. */
  add(phase: string, ms: number): void {
    this.ms[phase] = (this.ms[phase] ?? 0) + ms
    this.#tell({ kind: 'phase', batch: this.#batch, phase, ms })
  }
}
