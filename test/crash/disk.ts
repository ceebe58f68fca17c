// What a disk may hold after the power failed: a model of files and directories that is fed with the diary of
// a process (faulty-disk.c). Only what was synced is sure to be there; of the rest any part may be.

export type Change =
  | { readonly kind: 'create' | 'mkdir' | 'unlink' | 'rmdir' | 'sync'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly path: string; readonly size: number }
  | { readonly kind: 'link' | 'rename'; readonly from: string; readonly path: string }

export function parseDiary(diary: Buffer): Change[] {
  const changes: Change[] = []
  for (let at = 0; at < diary.length; ) {
    const end = diary.indexOf(10, at)
    const line = diary.toString('utf8', at, end)
    at = end + 1
    const [kind = '', ...rest] = line.split(' ')
    if (kind === 'write') {
      const count = Number(rest[1])
      const bytes = diary.subarray(at, at + count)
      at += count + 1
      changes.push({ kind, path: rest.slice(2).join(' '), at: Number(rest[0]), bytes })
    } else if (kind === 'truncate') {
      changes.push({ kind, size: Number(rest[0]), path: rest.slice(1).join(' ') })
    } else if (kind === 'link' || kind === 'rename') {
      const [from, path] = rest.join(' ').split('\t')
      changes.push({ kind, from: from!, path: path! })
    } else {
      changes.push({ kind, path: rest.join(' ') } as Change) // One of the first line's, as the C program writes.
    }
  }
  return changes
}

type File = { readonly kind: 'file'; now: Buffer; synced: Buffer }
type Directory = {
  readonly kind: 'directory'
  readonly synced: Map<string, Node>
  /** Names given and taken since the last sync; null where one was taken. */
  unsynced: { readonly name: string; readonly node: Node | null }[]
}
type Node = File | Directory

/** How much of what was not synced is there. */
export type Luck = 'all' | 'none' | (() => number)

export class Disk {
  readonly #root: Directory = newDirectory()
  readonly #top: string

  /** `top` is the directory that was there before. */
  constructor(top: string) {
    this.#top = top
  }

  apply(change: Change): void {
    const { path } = change
    switch (change.kind) {
      case 'create':
        this.#name(path, { kind: 'file', now: Buffer.alloc(0), synced: Buffer.alloc(0) })
        break
      case 'mkdir':
        this.#name(path, newDirectory())
        break
      case 'unlink':
      case 'rmdir':
        this.#name(path, null)
        break
      case 'link':
        this.#name(path, this.#at(change.from))
        break
      case 'rename':
        this.#name(path, this.#at(change.from))
        this.#name(change.from, null)
        break
      case 'sync':
        sync(this.#at(path))
        break
      case 'truncate':
        this.#put(path, (now) => Buffer.concat([now, Buffer.alloc(change.size)]).subarray(0, change.size))
        break
      case 'write':
        this.#put(path, (now) => overwritten(now, change.at, change.bytes))
    }
  }

  /** The files by their path, after the power failed now. */
  files(luck: Luck): Map<string, Buffer> {
    const found = new Map<string, Buffer>()
    const walk = (directory: Directory, path: string): void => {
      for (const [name, node] of names(directory, luck)) {
        if (node.kind === 'directory') walk(node, `${path}/${name}`)
        else found.set(`${path}/${name}`, contentOf(node, luck))
      }
    }
    walk(this.#root, this.#top)
    return found
  }

  #put(path: string, change: (now: Buffer) => Buffer): void {
    const node = this.#at(path)
    if (node.kind !== 'file') throw new Error(`${path} is a directory`)
    node.now = change(node.now)
  }

  #name(path: string, node: Node | null): void {
    const at = path.lastIndexOf('/')
    const directory = this.#at(path.slice(0, at))
    if (directory.kind !== 'directory') throw new Error(`${path} lies in a file`)
    directory.unsynced.push({ name: path.slice(at + 1), node })
  }

  #at(path: string): Node {
    let node: Node = this.#root
    for (const name of path
      .slice(this.#top.length)
      .split('/')
      .filter((part) => part !== '' && part !== '.')) {
      const next: Node | undefined = node.kind === 'directory' ? names(node, 'all').get(name) : undefined
      if (next === undefined) throw new Error(`the diary names ${path} before it is there`)
      node = next
    }
    return node
  }
}

function newDirectory(): Directory {
  return { kind: 'directory', synced: new Map(), unsynced: [] }
}

function sync(node: Node): void {
  if (node.kind === 'file') {
    node.synced = node.now
    return
  }
  for (const { name, node: named } of node.unsynced) {
    if (named === null) node.synced.delete(name)
    else node.synced.set(name, named)
  }
  node.unsynced = []
}

function overwritten(now: Buffer, at: number, bytes: Buffer): Buffer {
  const size = Math.max(now.length, at + bytes.length)
  const next = Buffer.concat([now, Buffer.alloc(size - now.length)])
  bytes.copy(next, at)
  return next
}

/** The names in a directory: a file system writes them in their order, so any first part of them is there. */
function names({ synced, unsynced }: Directory, luck: Luck): Map<string, Node> {
  const count =
    luck === 'all' ? unsynced.length : luck === 'none' ? 0 : Math.floor(luck() * (unsynced.length + 1))
  const found = new Map(synced)
  for (const { name, node } of unsynced.slice(0, count)) {
    if (node === null) found.delete(name)
    else found.set(name, node)
  }
  return found
}

function contentOf({ now, synced }: File, luck: Luck): Buffer {
  if (luck === 'all' || now === synced) return now
  if (luck === 'none') return synced
  const part = luck()
  return part < 0.4 ? synced : part < 0.6 ? now : now.subarray(0, Math.floor(now.length * luck()))
}
