// What is a document, and what its fields are: examples for every way of reading them.
import { input, readJson } from '../../src/plan/index.ts'

export type DocumentExample = {
  /** Text, or bytes that are none; null is no value. */
  readonly value: string | Uint8Array | null
  /** The fields a and b as JSON text, null where there is none; null where it is no document. */
  readonly fields: readonly [a: string | null, b: string | null] | null
}

const of = (value: string, a: string | null = null, b: string | null = null): DocumentExample => ({
  value,
  fields: [a, b],
})
const none = (value: DocumentExample['value']): DocumentExample => ({ value, fields: null })

/** Column `value`, its document's fields a and b. */
export const documents = readJson(input('given', { place: 'int', value: 'binary' }), {
  from: 'value',
  fields: { field_a: ['a'], field_b: ['b'] },
  as: 'is_document',
})

export const documentExamples: readonly DocumentExample[] = [
  of('{}'),
  of(' {} \n'),
  of('{"a": 1}', '1'),
  of('{"a": 1, "b": 2}', '1', '2'),
  of('{"b": null, "a": "x"}', '"x"', 'null'),
  of('{"c": 1}'),
  of('{"a": {"b": 1, "b": 2}}', '{"b": 1, "b": 2}'),
  of('{"A": 1, "a ": 2, "": 3}'),
  of('{"\\u0061": 1}', '1'),
  of('{"a": "x, inf", "b": ",}"}', '"x, inf"', '",}"'),
  of('{"a": "\\ud83d\\ude00"}', '"\\ud83d\\ude00"'),
  of('{"a": "\\\\ud83d"}', '"\\\\ud83d"'),
  of('{"a": "Cé 😀"}', '"Cé 😀"'),
  of('{"a": [1, {"b": 2}], "c": {"a": 5}}', '[1, {"b": 2}]'),
  of('{"a": true, "b": false}', 'true', 'false'),
  of('{"c": [[[[[[{}]]]]]], "b": -1.5e3}', null, '-1.5e3'),
  // What stands between quotes, in every order: a name, a text, what looks like either.
  of('{"a":"x","b":"y"}', '"x"', '"y"'),
  of('{"a":":","b":": "}', '":"', '": "'),
  of('{"a": ":", "b": ": "}', '":"', '": "'),
  of('{"a" :"x", "b":\t"y"}', '"x"', '"y"'),
  of('{"a":"","b":"a\\":\\"b"}', '""', '"a\\":\\"b"'),
  of('{":":"x","a":"y"}', '"y"'),
  of('{": ": "x", ":": "y"}'),
  of('{"a":5,"b":"5"}', '5', '"5"'),
  of('{"a":"5","c":5}', '"5"'),
  of('{"a":-1.5,"b":true}', '-1.5', 'true'),
  of('{"a":"1.5","b":"true"}', '"1.5"', '"true"'),
  of('{"a":1e400,"b":false,"c":[{"a":"x"}]}', '1e400', 'false'),
  of('{"a":1,"b":null}', '1', 'null'),
  of('{"a":5,"c":":"}', '5'),
  of('{"a":["x"],"b":{"a":"y"}}', '["x"]', '{"a":"y"}'),
  of('{"a":[":"],"b":"y"}', '[":"]', '"y"'),
  of('{"a":"x","c":{"a":"y","a":"z"}}', '"x"'),
  of('{"c":{"a":"y"},"b":"z"}', null, '"z"'),
  of('{"a":"\ue000","b":"\ue000x"}', '"\ue000"', '"\ue000x"'),
  of('{"\ue000":true,"a":"x"}', '"x"'),
  of('{"a":"}","b":"{}"}', '"}"', '"{}"'),
  of('{"a":"NaN","b":"Infinity"}', '"NaN"', '"Infinity"'),
  none('{"a":"x","a":"x"}'),
  none('{"a":"x","b":"y","a":"z"}'),
  none('{"a":"x","c":1,"c":2}'),
  none('{"a":null,"a":"x"}'),
  none('{"a":"x"}}'),
  none('{"a":"x"} }'),
  none('{"a":"x"}{"b":"y"}'),
  none('{"a":"x"},"b":{}}'),
  none('{"a":"x",}'),
  none('{"a":"x"]}'),
  none('{"a":"x}'),
  none('{"a":"x","b}'),
  none('{"a":"x","b":}'),
  none('{"a":{"b":"x"}'),
  none('{"a":x"}'),
  none('{"a":":"b"}'),
  none('{"a":"x";"b":"y"}'),
  none('}'),
  none('{'),
  none('{,}'),
  none(null),
  none(''),
  none(' '),
  none('[]'),
  none('null'),
  none('"a"'),
  none('{"a": 1'),
  none('{"a": 1,}'),
  none('{"a": [1,]}'),
  none('{"a": NaN}'),
  none('{"a": -Infinity}'),
  none('{"a": [1, inf]}'),
  none('{"a": 1} x'),
  none('{"a": 1}{}'),
  none('\ufeff{"a": 1}'),
  none('{"a": "\\ud83d"}'),
  none('{"a": "\\ude00\\ud83d"}'),
  none('{"\\ud83d": 1}'),
  none('{"a": 012}'),
  none("{'a': 1}"),
  none('{a: 1}'),
  none('{"a": "\t"}'),
  none('{},0'),
  none('{},0]'),
  none('{"a": 1, "a": 2}'),
  none('{"a": 1, "a": 1}'),
  none('{"c": 1, "c": 2}'),
  none('{"a": 1, "\\u0061": 2}'),
  none('{"c": 1, "b": 3, "\\u0063": 2}'),
  none('{"": 1, "": 2}'),
  // {"a":"é"} in Latin 1.
  none(new Uint8Array([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xe9, 0x22, 0x7d])),
  // Half a character.
  none(new Uint8Array([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x7d])),
]

/** Texts that name an example in a report. */
export const exampleText = ({ value }: DocumentExample): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString('hex') : JSON.stringify(value)

/** JSON of the same value has the same text; of the numbers here each is written in one way. */
export function sameJson(text: unknown): string | null {
  return text === null ? null : JSON.stringify(JSON.parse(String(text)))
}
