// A disk in memory, and one that stops before each call.
import { basename, dirname } from 'node:path'
import type { Disk, FileFacts } from '../../src/delta/disk.ts'

type File = { readonly kind: 'file'; readonly text: string; readonly facts: FileFacts }
type Directory = { readonly kind: 'directory'; readonly names: Map<string, File | Directory> }

/**
 * Empty but for the directory `top`. What is written is durable at once: processes die here, not machines.
 */
export function memoryDisk(top: string): Disk {
  const root = newDirectory()
  let files = 0n

  const at = (path: string): File | Directory => {
    if (path === top) return root
    if (path.length < top.length) throw failure('ENOENT', path)
    return namesIn(dirname(path)).get(basename(path)) ?? raise('ENOENT', path)
  }
  const namesIn = (path: string): Directory['names'] => {
    const found = at(path)
    return found.kind === 'directory' ? found.names : raise('ENOTDIR', path)
  }
  const fileAt = (path: string): File => {
    const found = at(path)
    return found.kind === 'file' ? found : raise('EISDIR', path)
  }
  const put = (path: string, node: File | Directory): void => {
    const names = namesIn(dirname(path))
    if (names.has(basename(path))) throw failure('EEXIST', path)
    names.set(basename(path), node)
  }

  return {
    readdir: async (path) => [...namesIn(path).keys()],
    stat: async (path) => {
      const found = at(path)
      return found.kind === 'file' ? found.facts : directoryFacts
    },
    read: async (path) => fileAt(path),
    writeNew: async (path, text) => {
      files += 1n
      const size = BigInt(Buffer.byteLength(text))
      const facts = { inode: files, size, changedMs: Date.now(), isDirectory: false }
      put(path, { kind: 'file', text, facts })
      return facts
    },
    link: async (from, to) => put(to, fileAt(from)),
    rename: async (from, to) => {
      namesIn(dirname(to)).set(basename(to), at(from))
      namesIn(dirname(from)).delete(basename(from))
    },
    remove: async (path) => void namesIn(dirname(path)).delete(basename(path)),
    mkdir: async (path) => put(path, newDirectory()),
    sync: async (path) => void at(path),
  }
}

/** The same disk; before each of its calls there may be a stop. */
export function stoppingBefore(disk: Disk, stop: () => Promise<void> | void): Disk {
  const calls = Object.entries(disk).map(([name, call]: [string, (...args: never[]) => Promise<unknown>]) => {
    const stopped = async (...args: never[]): Promise<unknown> => {
      await stop()
      return call(...args)
    }
    return [name, stopped]
  })
  return Object.fromEntries(calls)
}

const directoryFacts: FileFacts = { inode: 0n, size: 0n, changedMs: 0, isDirectory: true }

function newDirectory(): Directory {
  return { kind: 'directory', names: new Map() }
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

function raise(code: string, path: string): never {
  throw failure(code, path)
}
