// Where tables lie: what a log and its data files ask of the place, which is what an object store has. A
// directory of this machine is one such place (local-storage.ts), a bucket another (store-storage.ts).
import type { FileHandle } from 'node:fs/promises'
import type { FileFacts, FileIdentity } from './disk.ts'

/** A text that waits for the name it is to have. */
export type PendingText = {
  /** Gives it the name unless another has it, in which case it is null: the one atomic step of a commit. */
  putIfAbsent(path: string): Promise<FileIdentity | null>
  /** Gives it the name, in place of what had it. */
  replace(path: string): Promise<void>
  /** To be called when it has its name, or is to have none. */
  discard(): Promise<void>
}

/** What the log says of a data file that is to be read. */
export type FileToRead = { readonly path: string; readonly size: bigint | null }

/** Paths are those of this machine. A call fails as that of Node does where there is no such file. */
export type Storage = {
  /** The names in a directory, in no order. */
  list(directory: string): Promise<string[]>
  head(path: string): Promise<FileFacts>
  /** The text and the facts are of the same file, whatever happens to its name meanwhile. */
  read(path: string): Promise<{ readonly text: string; readonly facts: FileFacts }>
  prepare(directory: string, text: string): Promise<PendingText>
  /** Durably gives a checkpoint its name: a file of this machine whose contents are durable. */
  nameCheckpoint(from: string, to: string): Promise<void>
  /** Does nothing where there is no such file. */
  remove(path: string): Promise<void>
  /** Makes a directory and those above it, durably. */
  makeDirectory(path: string): Promise<void>
  /** Makes the names in a directory durable, and those in so many altogether that lead to it. */
  keepNames(directory: string, directories: number): Promise<void>
  /** The files below `root`, relative to it, but for those that have a skipped name on their way. */
  filesBelow(root: string, isSkipped: (name: string) => boolean, signal?: AbortSignal): AsyncGenerator<string>
  /** Files can be written into the directory from now on, with the means of the operating system. */
  readyForFiles(directory: string): Promise<void>
  /** Ends the writing of a data file; its contents need not be durable before `publish`. */
  finishFile(file: FileHandle): Promise<void>
  /** Makes data files of the table durable under their names. `finished`: each came through `finishFile`. */
  publish(table: string, files: readonly { readonly path: string }[], finished: boolean): Promise<void>
  /** The data files can be read on this machine from now on, as far as they exist. */
  fetch(files: readonly FileToRead[]): Promise<void>
  /** Gives `work` the paths under which files whose names are used again can be read on this machine. */
  withCopies<T>(paths: readonly string[], work: (copies: readonly string[]) => Promise<T>): Promise<T>
  /** null where nothing tells of new names. */
  watch(directory: string, onChange: () => void): { close(): void } | null
}
