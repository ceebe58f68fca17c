// Pages compressed on other threads, by a few streams that are used again: a stream for each page takes
// megabytes outside of JavaScript's heap, which makes the collector look through all of it.
import { constants, createZstdCompress } from 'node:zlib'

/** The fastest level that has the ratio of the usual one on JSON and ids. */
const params = { [constants.ZSTD_c_compressionLevel]: 1 }
const streamCount = 2
const waitingMax = 2
/** A stream stops above so many bytes of one page until they are read, and they are read at its end. */
const outputBytesMax = 2 ** 30
const chunkBytes = 2 ** 16

const streamOptions = {
  params,
  flush: constants.ZSTD_e_end, // Every write is a frame of its own.
  chunkSize: chunkBytes,
  readableHighWaterMark: outputBytesMax,
}

class PageStream {
  readonly #stream = createZstdCompress(streamOptions)
  last: Promise<unknown> = Promise.resolve()
  waiting = 0

  constructor() {
    this.#stream.on('error', () => undefined) // The write that failed is told.
  }

  compress(body: Uint8Array): Promise<Buffer> {
    this.waiting++
    const result = this.last.then(() => this.#write(body)).finally(() => this.waiting--)
    this.last = result.catch(() => undefined)
    return result
  }

  #write(body: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#stream.write(body, (error) => {
        if (error) {
          if (streams.includes(this)) streams.splice(streams.indexOf(this), 1) // It is of no more use.
          reject(error)
        } else resolve(this.#stream.read())
      })
    })
  }
}

const streams: PageStream[] = []

/** The bytes must stay as they are until then. */
export function compressPage(body: Uint8Array): Promise<Buffer> {
  while (streams.length < streamCount) streams.push(new PageStream())
  return streams.reduce((a, b) => (a.waiting <= b.waiting ? a : b)).compress(body)
}

/** Resolves when few pages wait: encoding is faster than compression. */
export async function roomForPage(): Promise<void> {
  while (streams.length > 0 && streams.every(({ waiting }) => waiting > waitingMax)) {
    await Promise.race(streams.map(({ last }) => last))
  }
}
