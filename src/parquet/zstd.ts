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

const frameMagic = 0xfd2fb528
/** Of a frame in one segment, with its content's size in one byte, and in two of which 256 is taken off. */
const [descriptorOfByte, descriptorOfTwo, sizeOfTwoMin] = [0x20, 0x60, 256]
/** A block that is the last one and as it is; its size stands in the upper bits. */
const lastRawBlock = 1
const blockHeaderBytes = 3

/**
 * A frame that has the bytes as they are (RFC 8878, raw block), of up to 64 KiB: compressing few bytes costs
 * more than it saves.
 */
export function storedFrame(body: Uint8Array): Buffer {
  const isShort = body.length < sizeOfTwoMin
  const headerBytes = isShort ? 6 : 7
  const frame = Buffer.allocUnsafe(headerBytes + blockHeaderBytes + body.length)
  frame.writeUInt32LE(frameMagic, 0)
  frame[4] = isShort ? descriptorOfByte : descriptorOfTwo
  if (isShort) frame[5] = body.length
  else frame.writeUInt16LE(body.length - sizeOfTwoMin, 5)
  frame.writeUIntLE(lastRawBlock | (body.length << 3), headerBytes, blockHeaderBytes)
  frame.set(body, headerBytes + blockHeaderBytes)
  return frame
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
