// Which storage a path belongs to. A lakehouse in an object store has a directory on this machine, below
// which copies of its files are; every other path is a file of this machine itself.
import { AssertionError, nameInMessages } from '../errors/errors.ts'
import { isStoreUrl } from '../objects/address.ts'
import { FileCache } from '../objects/file-cache.ts'
import type { ObjectStore } from '../objects/object-store.ts'
import { localStorage } from './local-storage.ts'
import type { Storage } from './storage.ts'
import { StoreStorage } from './store-storage.ts'

export type MountedStore = {
  readonly store: ObjectStore
  readonly storage: StoreStorage
  /** An absolute path without a link in it, which stands for the store's prefix. */
  readonly root: string
}

let mounted: readonly MountedStore[] = []

/** From now on the store is at a directory of this machine, all of which is its cache. */
export function mountStore(store: ObjectStore, root: string, cacheBytesMax: number): MountedStore {
  const cache = new FileCache(root, cacheBytesMax)
  const mount = { store, storage: new StoreStorage(store, cache), root }
  mounted = [...mounted.filter((one) => one.root !== root && one.store.url !== store.url), mount]
  nameInMessages(root, store.url)
  return mount
}

/** The store that a path of this machine stands for something of; null for a file of this machine itself. */
export function storeAt(path: string): MountedStore | null {
  return mounted.find(({ root }) => path === root || path.startsWith(`${root}/`)) ?? null
}

export function storageOf(path: string): Storage {
  return storeAt(path)?.storage ?? localStorage
}

/** The directory of this machine that is, or stands for, the place of a lakehouse. */
export function directoryOf(deltaBasePath: string): string {
  const mount = mounted.find(({ store }) => store.url === deltaBasePath)
  if (mount !== undefined) return mount.root
  if (isStoreUrl(deltaBasePath)) throw new AssertionError(`${deltaBasePath} was not mounted`)
  return deltaBasePath
}
