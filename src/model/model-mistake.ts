// What is wrong in the file of a model, and where.

/** Thrown while a file is read, and caught by the one function that reads it. */
export class ModelMistake extends Error {
  /** Counts from 1; null where the file has no lines to speak of. */
  readonly line: number | null

  constructor(message: string, line: number | null = null) {
    super(message)
    this.line = line
  }
}
