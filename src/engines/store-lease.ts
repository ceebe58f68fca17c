// A lock as an object: taken by a PUT on the condition that there is none, kept and taken over by one on the
// condition that nobody else wrote meanwhile. No clock is compared with another: a holder is gone whose
// object did not change for a whole lease.
import { relative } from 'node:path'
import type { MountedStore } from '../delta/mounts.ts'
import { putInPlaceOf, putUnlessThere } from '../objects/conditional.ts'
import { type Lease, type LeaseTerms, type LockSight, staysSilent } from './lease.ts'
import { type Holder, isGone, lockedBy, parseHolder } from './lock-holder.ts'

/** Looks at a holder that may be gone: more often than it gives signs of life. */
const looksPerLease = 15

export class StoreLease implements Lease {
  /** Each look is a request that costs. */
  readonly lookMs = 2_000
  readonly #mount: MountedStore
  readonly #key: string
  readonly #where: string
  /** Of the object as this process wrote it last. */
  #etag = ''
  #beats = 0

  constructor(mount: MountedStore, path: string, where: string) {
    this.#mount = mount
    this.#key = relative(mount.root, path)
    this.#where = where
  }

  async take(holder: Holder, terms: LeaseTerms): Promise<boolean> {
    const { store, storage } = this.#mount
    await storage.demandConditions()
    const etag = await putUnlessThere(store, this.#key, this.#next(holder))
    return etag === null ? this.#takeOver(holder, terms) : this.#has(etag)
  }

  async #takeOver(mine: Holder, terms: LeaseTerms): Promise<boolean> {
    const { store } = this.#mount
    const found = await this.look()
    if (found === null) return false
    const { holder, beat } = found
    const isOver = holder !== null && (await isGone(holder, mine))
    const beatNow = async () => (await this.look())?.beat
    if (!isOver && !(await staysSilent(beat, beatNow, looksPerLease, terms))) {
      throw lockedBy(this.#where, holder, `${store.url}/${this.#key}`)
    }
    const etag = await putInPlaceOf(store, this.#key, this.#next(mine), beat)
    return etag === null ? false : this.#has(etag)
  }

  #has(etag: string): true {
    this.#etag = etag
    return true
  }

  async look(): Promise<LockSight | null> {
    const found = await this.#mount.store.get(this.#key)
    return found === null ? null : { holder: parseHolder(found.bytes.toString()), beat: found.facts.etag }
  }

  async sign(holder: Holder): Promise<'held' | 'lost'> {
    const { store } = this.#mount
    try {
      const bytes = this.#next(holder)
      let etag = await putInPlaceOf(store, this.#key, bytes, this.#etag)
      if (etag === null) {
        const found = await this.look()
        if (found !== null && found.holder?.owner !== holder.owner) return 'lost'
        // Somebody deleted it, or a beat whose answer was never heard is there.
        etag =
          found === null
            ? await putUnlessThere(store, this.#key, bytes)
            : await putInPlaceOf(store, this.#key, bytes, found.beat)
      }
      if (etag === null) return 'lost'
      this.#etag = etag
    } catch {
      return 'held'
    }
    return 'held'
  }

  async remove(owner: string): Promise<void> {
    try {
      if ((await this.look())?.holder?.owner === owner) await this.#mount.store.delete(this.#key)
    } catch {
      // A store that is away keeps it: after a lease without a sign of life it can be taken over.
    }
  }

  /** No two writes of a lock are equal. */
  #next(holder: Holder): Buffer {
    this.#beats += 1
    return Buffer.from(JSON.stringify({ ...holder, beats: this.#beats }))
  }
}
