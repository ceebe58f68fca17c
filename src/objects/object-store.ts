// What an object store does: whole objects by key, and the two conditional writes that a log and a lease rest
// on. One answer may be lost although the store acted; who writes on a condition looks what stands there.

export type ObjectFacts = {
  /** Another for each content that the key ever had. */
  readonly etag: string
  readonly size: number
  readonly changedMs: number
}

export type FoundObject = { readonly bytes: Buffer; readonly facts: ObjectFacts }

/** Keys begin behind the prefix of the lakehouse. A failure is a LakehouseError. */
export type ObjectStore = {
  /** As a person writes it, for messages: `s3://bucket/prefix`. */
  readonly url: string
  /** The keys that begin with a prefix, in no order. */
  keys(prefix: string): AsyncGenerator<string>
  /** What is directly below a prefix that ends with a slash: names of objects, and of further prefixes. */
  names(prefix: string): Promise<string[]>
  /** null where there is no such object, as for `get` and `download`. */
  head(key: string): Promise<ObjectFacts | null>
  get(key: string): Promise<FoundObject | null>
  /** Makes a file of the object, or writes over one. */
  download(key: string, path: string): Promise<ObjectFacts | null>
  put(key: string, bytes: Uint8Array): Promise<void>
  /** An object of the file of this machine, whatever its size. */
  upload(key: string, path: string): Promise<void>
  /** The ETag; null where the key has an object. */
  putIfAbsent(key: string, bytes: Uint8Array): Promise<string | null>
  /** The ETag; null where the key has no object, or another than the one with that ETag. */
  putIfMatch(key: string, bytes: Uint8Array, etag: string): Promise<string | null>
  /** Does nothing where there is no such object. */
  delete(key: string): Promise<void>
}
