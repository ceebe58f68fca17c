// Bytes that are not what their schema says, or that would become more than a record may be.

export class UndecodableBytes extends Error {}

/** One for all: what is wrong with the bytes of a stranger is no news for a stack trace. */
const failure = new UndecodableBytes('the bytes are not what their schema says')

export function undecodable(): never {
  throw failure
}

/** A schema that no value can be decoded by, with the reason. */
export class SchemaUnreadable extends Error {}
