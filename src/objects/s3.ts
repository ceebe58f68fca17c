// A bucket that speaks the protocol of Amazon S3, by Amazon's own client.
import { createWriteStream } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { assert, LakehouseError } from '../errors/errors.ts'
import { type StoreAddress, storeUrl } from './address.ts'
import type { FoundObject, ObjectFacts, ObjectStore } from './object-store.ts'
import { areStale, errorName, isOfDisk, statusOf, storeFailure } from './store-failure.ts'

export type S3Options = StoreAddress & {
  /** null for Amazon's own. */
  readonly endpoint: string | null
  /** null where the profile says it. */
  readonly region: string | null
  /** The bucket in the path of a request, not in the name of the host. */
  readonly pathStyle: boolean
  /** PEM; null for the authorities that Node trusts. */
  readonly ca: string | null
  readonly profile: string | null
  /** null for what the environment, the profile, a web identity or the machine gives. */
  readonly credentials: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken?: string
  } | null
}

/** Amazon's client sends a request again so often at once, and with its clock corrected. */
const attemptsMax = 2
/** The waits before a request that failed for a reason that may pass is sent so often again. */
export const waitsMs: readonly number[] = [200, 800, 3200]
const connectMaxMs = 5_000
/** Without a byte of the answer. */
const answerMaxMs = 30_000
const connectionsMax = 64
/** A larger file goes up in parts of this size, some at once. */
const partBytes = 8 * 2 ** 20
const partsAtOnce = 4
/** A race of two conditional writes is answered by some stores with a conflict: neither was judged. */
const conflictAttemptsMax = 10

export class S3Store implements ObjectStore {
  readonly url: string
  readonly #options: S3Options
  #opened: Promise<Opened> | null = null
  readonly #counts = new Map<string, number>()

  constructor(options: S3Options) {
    this.#options = options
    this.url = storeUrl(options)
  }

  /** How many requests of each kind were made; an attempt that was repeated counts once. */
  get requestCounts(): ReadonlyMap<string, number> {
    return this.#counts
  }

  async *keys(prefix: string): AsyncGenerator<string> {
    for await (const page of this.#pages(prefix, undefined)) {
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield this.#without(Key)
    }
  }

  async names(prefix: string): Promise<string[]> {
    const names: string[] = []
    for await (const page of this.#pages(prefix, '/')) {
      for (const { Key } of page.Contents ?? []) {
        const name = Key === undefined ? '' : this.#without(Key).slice(prefix.length)
        if (name !== '') names.push(name)
      }
      for (const { Prefix } of page.CommonPrefixes ?? []) {
        if (Prefix !== undefined) names.push(this.#without(Prefix).slice(prefix.length, -1))
      }
    }
    return names
  }

  async *#pages(prefix: string, delimiter: string | undefined) {
    let token: string | undefined
    do {
      const page = await this.#ask('list', prefix, ({ client, sdk }) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: this.#options.bucket,
            Prefix: this.#key(prefix),
            Delimiter: delimiter,
            ContinuationToken: token,
          }),
        ),
      )
      yield page
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async head(key: string): Promise<ObjectFacts | null> {
    return this.#ask('head', key, async ({ client, sdk }) => {
      const found = await client
        .send(new sdk.HeadObjectCommand(this.#at(key)))
        .catch((error: unknown) => unlessAbsent(error))
      return found === null ? null : factsOf(found)
    })
  }

  async get(key: string): Promise<FoundObject | null> {
    return this.#ask('get', key, async ({ client, sdk }) => {
      const found = await client
        .send(new sdk.GetObjectCommand(this.#at(key)))
        .catch((error: unknown) => unlessAbsent(error))
      if (found === null) return null
      const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? [])
      return { bytes, facts: factsOf(found) }
    })
  }

  async download(key: string, path: string): Promise<ObjectFacts | null> {
    return this.#ask('get', key, async ({ client, sdk }) => {
      const found = await client
        .send(new sdk.GetObjectCommand(this.#at(key)))
        .catch((error: unknown) => unlessAbsent(error))
      if (found === null) return null
      await pipeline(found.Body as Readable, createWriteStream(path)) // On Node a body is such a stream.
      return factsOf(found)
    })
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#ask('put', key, ({ client, sdk }) =>
      client.send(new sdk.PutObjectCommand({ ...this.#at(key), Body: bytes })),
    )
  }

  async upload(key: string, path: string): Promise<void> {
    const { size } = await stat(path)
    if (size <= partBytes) return this.put(key, await readFile(path))
    await this.#uploadParts(key, path, size)
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<string | null> {
    return this.#putOnCondition(key, bytes, { IfNoneMatch: '*' })
  }

  async putIfMatch(key: string, bytes: Uint8Array, etag: string): Promise<string | null> {
    return this.#putOnCondition(key, bytes, { IfMatch: etag })
  }

  async #putOnCondition(
    key: string,
    bytes: Uint8Array,
    condition: { readonly IfNoneMatch: string } | { readonly IfMatch: string },
  ): Promise<string | null> {
    return this.#ask('put', key, async ({ client, sdk }) => {
      for (let attempt = 1; ; attempt++) {
        try {
          const put = new sdk.PutObjectCommand({ ...this.#at(key), Body: bytes, ...condition })
          return (await client.send(put)).ETag ?? ''
        } catch (error) {
          const isRefused = statusOf(error) === 412 || errorName(error) === 'PreconditionFailed'
          if (isRefused || ('IfMatch' in condition && isAbsent(error))) return null
          const isUnjudged = errorName(error) === 'ConditionalRequestConflict' || statusOf(error) === 409
          if (!isUnjudged || attempt === conflictAttemptsMax) throw error
        }
      }
    })
  }

  async delete(key: string): Promise<void> {
    await this.#ask('delete', key, ({ client, sdk }) =>
      client.send(new sdk.DeleteObjectCommand(this.#at(key))),
    )
  }

  async #uploadParts(key: string, path: string, size: number): Promise<void> {
    const { UploadId } = await this.#ask('put', key, ({ client, sdk }) =>
      client.send(new sdk.CreateMultipartUploadCommand(this.#at(key))),
    )
    const upload = { ...this.#at(key), UploadId }
    try {
      const etags: (string | undefined)[] = []
      const count = Math.ceil(size / partBytes)
      const file = await open(path, 'r')
      try {
        const sendPart = async (index: number): Promise<void> => {
          const bytes = Buffer.alloc(Math.min(partBytes, size - index * partBytes))
          const { bytesRead } = await file.read(bytes, 0, bytes.length, index * partBytes)
          assert(bytesRead === bytes.length, `${path} became shorter while it was read`)
          const part = { ...upload, PartNumber: index + 1, Body: bytes }
          const { ETag } = await this.#ask('put', key, ({ client, sdk }) =>
            client.send(new sdk.UploadPartCommand(part)),
          )
          etags[index] = ETag
        }
        for (let start = 0; start < count; start += partsAtOnce) {
          const indexes = Array.from({ length: Math.min(partsAtOnce, count - start) }, (_, i) => start + i)
          await Promise.all(indexes.map(sendPart))
        }
      } finally {
        await file.close()
      }
      const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }))
      await this.#ask('put', key, ({ client, sdk }) =>
        client.send(new sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } })),
      )
    } catch (error) {
      await this.#ask('delete', key, ({ client, sdk }) =>
        client.send(new sdk.AbortMultipartUploadCommand(upload)),
      ).catch(() => undefined) // The upload's own failure is what counts.
      // A completion whose answer got lost is repeated, and the upload is there no more.
      if ((await this.head(key))?.size !== size) throw error
    }
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#key(key) }
  }

  #key(key: string): string {
    const { prefix } = this.#options
    return prefix === '' ? key : `${prefix}/${key}`
  }

  #without(key: string): string {
    return this.#options.prefix === '' ? key : key.slice(this.#options.prefix.length + 1)
  }

  /** Failures of the store get their names. */
  async #ask<T>(kind: string, key: string, request: (opened: Opened) => Promise<T>): Promise<T> {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
    const waits = waitsMs.values()
    for (;;) {
      this.#opened ??= openClient(this.#options)
      const opened = this.#opened
      try {
        return await request(await opened)
      } catch (error) {
        if (isOfDisk(error)) throw error
        const failure =
          error instanceof LakehouseError ? error : storeFailure(error, `${this.url}/${key}`, this.#options)
        // The next attempt reads the credentials anew: who renews them need not start this process again.
        const isOfClient = error === failure || areStale(error)
        if (isOfClient && this.#opened === opened) this.#opened = null
        const wait = waits.next()
        if (wait.done || !(areStale(error) || failure.policy.retry === 'wait')) throw failure
        // Clients that failed at once do not come back at once.
        await sleep(wait.value * (0.5 + Math.random()))
      }
    }
  }
}

type Opened = { readonly client: S3Client; readonly sdk: typeof import('@aws-sdk/client-s3') }

async function openClient(options: S3Options): Promise<Opened> {
  // Loaded when it is needed: commands on a disk do without it.
  const [sdk, { defaultProvider }] = await Promise.all([
    import('@aws-sdk/client-s3'),
    import('@aws-sdk/credential-provider-node'),
  ])
  const { endpoint, region, profile, credentials, ca } = options
  const client = new sdk.S3Client({
    ...(endpoint === null ? {} : { endpoint }),
    ...(region === null ? {} : { region }),
    ...(profile === null ? {} : { profile }),
    forcePathStyle: options.pathStyle,
    credentials:
      credentials ?? defaultProvider({ ignoreCache: true, ...(profile === null ? {} : { profile }) }),
    maxAttempts: attemptsMax,
    // A store of another make need not know Amazon's own checksums; TLS and the signature protect the body.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectMaxMs,
      requestTimeout: answerMaxMs,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: connectionsMax },
      httpsAgent: { keepAlive: true, maxSockets: connectionsMax, ...(ca === null ? {} : { ca }) },
    },
  })
  await client.config.region().catch((cause: unknown) => {
    const message = `${storeUrl(options)}: the region of the bucket is not known. Set AWS_REGION.`
    throw new LakehouseError('STORAGE_REFUSED', message, { cause })
  })
  return { client, sdk }
}

function factsOf(
  found: Pick<GetObjectCommandOutput, 'ETag' | 'ContentLength' | 'LastModified'>,
): ObjectFacts {
  return {
    etag: found.ETag ?? '',
    size: found.ContentLength ?? 0,
    changedMs: found.LastModified?.getTime() ?? 0,
  }
}

/** A bucket that is not there is a failure. */
function isAbsent(error: unknown): boolean {
  const name = errorName(error)
  return name === 'NoSuchKey' || name === 'NotFound' || (statusOf(error) === 404 && name !== 'NoSuchBucket')
}

function unlessAbsent(error: unknown): null {
  if (isAbsent(error)) return null
  throw error
}
