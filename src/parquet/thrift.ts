// Thrift's compact protocol, as far as the headers and the footer of a Parquet file need it.
import { ByteWriter } from './byte-writer.ts'

const [typeTrue, typeFalse, typeInt32, typeInt64, typeBinary, typeList, typeStruct] = [1, 2, 5, 6, 8, 9, 12]
const listSizeInHeaderMax = 14

export class ThriftWriter {
  readonly out = new ByteWriter()
  /** The number of the last field of each struct that is open: the next one is told by its distance. */
  readonly #lastFields: number[] = [0]

  int32(field: number, value: number): void {
    this.#field(field, typeInt32)
    this.#signed(value)
  }

  /** Of a magnitude below 2^52. */
  int64(field: number, value: number): void {
    this.#field(field, typeInt64)
    this.#signed(value)
  }

  boolean(field: number, value: boolean): void {
    this.#field(field, value ? typeTrue : typeFalse)
  }

  text(field: number, value: string): void {
    this.binary(field, Buffer.from(value))
  }

  binary(field: number, value: Uint8Array): void {
    this.#field(field, typeBinary)
    this.#lengthAndBytes(value)
  }

  struct(field: number, write: () => void): void {
    this.#field(field, typeStruct)
    this.#content(write)
  }

  structs<T>(field: number, items: readonly T[], write: (item: T) => void): void {
    this.#list(field, typeStruct, items.length)
    for (const item of items) this.#content(() => write(item))
  }

  int32s(field: number, items: readonly number[]): void {
    this.#list(field, typeInt32, items.length)
    for (const item of items) this.#signed(item)
  }

  texts(field: number, items: readonly string[]): void {
    this.#list(field, typeBinary, items.length)
    for (const item of items) this.#lengthAndBytes(Buffer.from(item))
  }

  /** The end of the struct that the document is. */
  end(): void {
    this.out.byte(0)
    this.#lastFields[0] = 0
  }

  #content(write: () => void): void {
    this.#lastFields.push(0)
    write()
    this.#lastFields.pop()
    this.out.byte(0)
  }

  #field(field: number, type: number): void {
    const depth = this.#lastFields.length - 1
    this.out.byte(((field - this.#lastFields[depth]!) << 4) | type)
    this.#lastFields[depth] = field
  }

  #list(field: number, type: number, size: number): void {
    this.#field(field, typeList)
    if (size <= listSizeInHeaderMax) this.out.byte((size << 4) | type)
    else {
      this.out.byte(0xf0 | type)
      this.out.varint(size)
    }
  }

  #signed(value: number): void {
    this.out.varint(value < 0 ? -value * 2 - 1 : value * 2)
  }

  #lengthAndBytes(value: Uint8Array): void {
    this.out.varint(value.length)
    this.out.bytes(value)
  }
}
