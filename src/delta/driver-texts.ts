// DuckDB's driver drops a byte-order mark that a text begins with, and has no option for it: a text that is
// read back would be another one. This mends its decoder, for all connections of the process. It is an inner
// part of the driver, so package.json names one version of it.
import { textDecoder } from '@duckdb/node-api/lib/vectors/dataAccessors.js'

const whole = new TextDecoder('utf-8', { ignoreBOM: true }) // That is: the mark is no sign, but a character.
textDecoder.decode = whole.decode.bind(whole)
