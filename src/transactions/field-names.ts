// What others call the fields of a transaction.
import { editDistance } from '../errors/nearest-name.ts'
import type { JsonPath } from '../plan/index.ts'

/** Names as words, the likelier ones first; the words before a name tell more (`customer.id`). */
const synonyms: Readonly<Record<string, readonly string[]>> = {
  transaction_id: [
    ...[
      'transaction id',
      'txn id',
      'tx id',
      'trx id',
      'trans id',
      'payment id',
      'charge id',
      'psp reference',
    ],
    ...[
      'transaction reference',
      'end to end id',
      'transaction no',
      'transaction number',
      'txn no',
      'txn ref',
    ],
    ...[
      'payment reference',
      'order id',
      'event id',
      'operation id',
      'entry reference',
      'transaction',
      'uuid',
    ],
    ...['reference', 'id'],
  ],
  user_id: [
    ...[
      'user id',
      'customer id',
      'cust id',
      'account id',
      'cardholder id',
      'card holder id',
      'shopper reference',
    ],
    ...['payer id', 'buyer id', 'client id', 'member id', 'consumer id', 'debtor id', 'dbtr id', 'user no'],
    ...[
      'customer no',
      'customer number',
      'account no',
      'account number',
      'user',
      'customer',
      'client',
      'buyer',
    ],
    ...['payer', 'shopper', 'account', 'debtor account iban', 'iban', 'card id', 'pan', 'user uuid', 'uid'],
  ],
  amount: [
    ...[
      'amount value',
      'transaction amount',
      'amount minor',
      'amount cents',
      'amount in cents',
      'amount',
      'amt',
    ],
    ...[
      'amt minor',
      'instd amt',
      'instructed amount',
      'purchase amount',
      'amt value',
      'total amount',
      'gross amount',
    ],
    ...['total', 'gross', 'price', 'sum', 'value'],
  ],
  timestamp: [
    ...[
      'timestamp',
      'ts',
      'event time',
      'event timestamp',
      'transaction time',
      'occurred at',
      'created at',
      'created',
    ],
    ...[
      'creation date',
      'cre dt tm',
      'event date',
      'transaction date time',
      'booking date time',
      'date time',
    ],
    ...['transaction date', 'authorized at', 'paid at', 'at', 'time', 'date'],
  ],
  is_fraud: ['is fraud', 'fraud', 'fraudulent', 'is fraudulent', 'fraud label', 'fraud flag', 'label'],
  merchant: [
    ...['merchant name', 'merchant', 'merchant account code', 'merchant account', 'creditor name', 'cdtr nm'],
    ...[
      'payee name',
      'payee',
      'shop name',
      'shop',
      'store name',
      'store',
      'seller name',
      'seller',
      'merchant id',
    ],
  ],
  payment_method: [
    ...['payment method', 'payment method type', 'payment method details type', 'method', 'payment type'],
    ...['payment instrument', 'instrument', 'pay method', 'card brand', 'brand', 'scheme', 'card type'],
  ],
  location: ['location', 'place', 'city country'],
  city: ['city', 'town', 'town name', 'twn nm', 'locality'],
  country: ['country', 'country code', 'ctry', 'ctry of res', 'country of residence'],
  device_id: ['device id', 'device fingerprint', 'device', 'fingerprint', 'terminal id', 'device uuid'],
}

/** Words that only say that something is inside. */
const wrappers = new Set([
  'data',
  'payload',
  'attributes',
  'object',
  'event',
  'body',
  'record',
  'after',
  'message',
])

/** `customerId`, `customer_id` and `customer.id` are the same words. */
export function wordsOf(path: JsonPath): readonly string[] {
  return path.flatMap((name) =>
    name
      .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
      .replaceAll(/([A-Z])([A-Z][a-z])/g, '$1 $2')
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u)
      .filter((word) => word !== ''),
  )
}

/**
 * How well the name fits the field, up to 100; 0: it is none of its names. Words that no name of the field
 * has count against it, many of them little more than two.
 */
export function nameFit(field: string, path: JsonPath): number {
  const words = wordsOf(path)
  const text = words.join('')
  let best = 0
  for (const [rank, synonym] of (synonyms[field] ?? []).entries()) {
    const meant = synonym.replaceAll(' ', '')
    if (!text.endsWith(meant)) continue
    const before = text.slice(0, text.length - meant.length)
    const unsaid = others(words, before).filter((word) => !wrappers.has(word))
    const near = Math.min(unsaid.length, 2)
    best = Math.max(best, 100 - rank - 22 * near - 6 * (unsaid.length - near) - path.length)
  }
  return best
}

/** The words that make up the beginning of the text; one that is cut counts. */
function others(words: readonly string[], beginning: string): readonly string[] {
  const found: string[] = []
  for (let length = 0, index = 0; length < beginning.length; index++) {
    found.push(words[index]!)
    length += words[index]!.length
  }
  return found
}

/** From here on a name is worth telling. */
const likelyMin = 60

/** Of all paths those that a field may have been meant by, the likeliest first. */
export function nearestPaths(
  field: string,
  wanted: JsonPath,
  paths: readonly JsonPath[],
  max: number,
): readonly JsonPath[] {
  const text = wordsOf(wanted).join('')
  const leaf = wordsOf([wanted.at(-1)!]).join('')
  const scored = paths.map((path) => {
    const [all, last] = [wordsOf(path).join(''), wordsOf([path.at(-1)!]).join('')]
    const distance = Math.min(editDistance(text, all), editDistance(leaf, last) + 1)
    const nearness = distance <= Math.max(1, Math.floor(text.length / 4)) ? 90 - 10 * distance : 0
    const isInside = last === leaf || all === text ? 95 - path.length : 0
    return { path, score: Math.max(nearness, isInside, nameFit(field, path)) }
  })
  return scored
    .filter(({ score }) => score >= likelyMin)
    .sort((a, b) => b.score - a.score)
    .slice(0, max)
    .map(({ path }) => path)
}
