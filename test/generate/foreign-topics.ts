// Records as other systems write them, and the fields that a person would say of them.
import type { Fields } from '../../src/transactions/fields.ts'

export type ForeignTopic = {
  readonly name: string
  readonly records: readonly object[]
  readonly fields: Fields
}

const count = 60
const secondsFrom = 1_790_000_000
const none = { merchant: null, payment_method: null, location: null, device_id: null, is_fraud: null }

function topic(name: string, record: (index: number) => object, fields: Fields): ForeignTopic {
  return {
    name,
    records: Array.from({ length: count }, (_, index) => record(index)),
    fields: { ...none, ...fields },
  }
}

const of = <T>(index: number, ...values: readonly T[]): T => values[index % values.length]!
const iso = (index: number): string => new Date((secondsFrom + index * 61) * 1000).toISOString()
/** Looks random, and is not. */
const hex = (index: number, length: number): string =>
  Array.from({ length }, (_, at) => ((index * 2_654_435_761 + at * 40_503 + index * at * 97) >>> 7) % 16)
    .map((digit) => digit.toString(16))
    .join('')
const uuid = (index: number): string =>
  `${hex(index, 8)}-${hex(index + 1, 4)}-4${hex(index + 2, 3)}-a${hex(index + 3, 3)}-${hex(index, 7)}${String(index).padStart(5, '0')}`
const cents = (index: number): number => ((index * 7_919) % 90_000) + 101

export const topics: readonly ForeignTopic[] = [
  topic(
    'the seed',
    (index) => ({
      transaction_id: `tx-${index}`,
      user_id: 1 + (index % 9),
      amount: cents(index) / 100,
      merchant: of(index, 'Shop', 'Store'),
      payment_method: of(index, 'credit_card', 'crypto'),
      location: of(index, 'Lyon, France', 'Oslo, Norway'),
      device_id: `d-${index % 7}`,
      timestamp: iso(index),
      is_fraud: index % 11 === 0,
    }),
    {
      transaction_id: 'transaction_id',
      user_id: 'user_id',
      amount: 'amount',
      timestamp: 'timestamp',
      merchant: 'merchant',
      payment_method: 'payment_method',
      location: 'location',
      device_id: 'device_id',
      is_fraud: 'is_fraud',
    },
  ),
  topic(
    'payments with UUID customers and epoch milliseconds',
    (index) => ({
      id: `p${index}`,
      customerId: uuid(index % 8),
      amt: cents(index) / 100,
      ts: (secondsFrom + index) * 1000 + 7,
    }),
    {
      transaction_id: 'id',
      user_id: { path: 'customerId', type: 'string' },
      amount: 'amt',
      timestamp: { path: 'ts', as: 'epoch_ms' },
    },
  ),
  topic(
    'charges as Stripe has them',
    (index) => ({
      id: `ch_3${hex(index, 20)}${index}`,
      object: 'charge',
      amount: cents(index),
      amount_captured: cents(index),
      amount_refunded: 0,
      billing_details: {
        address: { city: of(index, 'Lyon', 'Oslo'), country: of(index, 'FR', 'NO'), line1: null },
      },
      captured: true,
      created: secondsFrom + index * 60,
      currency: 'eur',
      customer: `cus_${hex(index % 9, 14)}`,
      livemode: true,
      metadata: {},
      outcome: { risk_level: 'normal', risk_score: index % 70 },
      payment_method: `pm_${hex(index, 24)}`,
      payment_method_details: {
        type: of(index, 'card', 'sepa_debit'),
        card: { brand: 'visa', last4: '4242' },
      },
      status: 'succeeded',
    }),
    {
      transaction_id: 'id',
      user_id: { path: 'customer', type: 'string' },
      amount: { path: 'amount', as: 'minor_units' },
      timestamp: { path: 'created', as: 'epoch_s' },
      payment_method: 'payment_method',
      location: { city: 'billing_details.address.city', country: 'billing_details.address.country' },
    },
  ),
  topic(
    'notifications as Adyen has them',
    (index) => ({
      amount: { currency: 'EUR', value: cents(index) },
      eventCode: 'AUTHORISATION',
      eventDate: iso(index).replace('.000Z', '+02:00'),
      merchantAccountCode: of(index, 'ShopEU', 'ShopUS'),
      merchantReference: `order-${index}`,
      paymentMethod: of(index, 'visa', 'ideal'),
      pspReference: `${8_800_000_000_000_000 + index}`,
      success: 'true',
      additionalData: { shopperReference: `shopper-${index % 6}`, deviceFingerprint: hex(index % 5, 12) },
    }),
    {
      transaction_id: 'pspReference',
      user_id: { path: 'additionalData.shopperReference', type: 'string' },
      amount: { path: 'amount.value', as: 'minor_units' },
      timestamp: 'eventDate',
      merchant: 'merchantAccountCode',
      payment_method: 'paymentMethod',
      device_id: 'additionalData.deviceFingerprint',
    },
  ),
  topic(
    'account information as PSD2 has it',
    (index) => ({
      transactionId: `${202_610_000_000 + index}`,
      entryReference: `e${index}`,
      bookingDate: iso(index).slice(0, 10),
      bookingDateTime: iso(index),
      transactionAmount: { currency: 'EUR', amount: (cents(index) / 100).toFixed(2) },
      creditorName: of(index, 'Grocer', 'Baker'),
      debtorAccount: { iban: `DE${10_000_000_000_000 + (index % 5)}` },
      remittanceInformationUnstructured: 'thanks',
    }),
    {
      transaction_id: 'transactionId',
      user_id: { path: 'debtorAccount.iban', type: 'string' },
      amount: { path: 'transactionAmount.amount', as: 'decimal_text' },
      timestamp: 'bookingDateTime',
      merchant: 'creditorName',
    },
  ),
  topic(
    'payments as ISO 20022 names them',
    (index) => ({
      CdtTrfTxInf: {
        PmtId: { EndToEndId: `E2E${hex(index, 10)}${index}`, InstrId: 'same' },
        InstdAmt: { value: (cents(index) / 100).toFixed(2), Ccy: 'EUR' },
        CreDtTm: iso(index),
        Dbtr: { Nm: 'A Person', Id: `D${index % 7}`, CtryOfRes: of(index, 'DE', 'FR') },
        Cdtr: { Nm: of(index, 'Grocer', 'Baker') },
      },
    }),
    {
      transaction_id: 'CdtTrfTxInf.PmtId.EndToEndId',
      user_id: { path: 'CdtTrfTxInf.Dbtr.Id', type: 'string' },
      amount: { path: 'CdtTrfTxInf.InstdAmt.value', as: 'decimal_text' },
      timestamp: 'CdtTrfTxInf.CreDtTm',
      merchant: 'CdtTrfTxInf.Cdtr.Nm',
      location: { country: 'CdtTrfTxInf.Dbtr.CtryOfRes' },
    },
  ),
  topic(
    'nested snake case with epoch microseconds',
    (index) => ({
      payload: {
        txn: {
          id: uuid(index),
          amount_minor: cents(index),
          created_at: (secondsFrom + index) * 1_000_000 + 5,
        },
        customer: { id: 7_000_000_000 + (index % 4), segment: 'retail' },
        merchant: { id: 5, name: of(index, 'Shop', 'Store') },
        device: { id: hex(index % 6, 8) },
      },
    }),
    {
      transaction_id: 'payload.txn.id',
      user_id: { path: 'payload.customer.id', type: 'long' },
      amount: { path: 'payload.txn.amount_minor', as: 'minor_units' },
      timestamp: { path: 'payload.txn.created_at', as: 'epoch_us' },
      merchant: 'payload.merchant.name',
      device_id: 'payload.device.id',
    },
  ),
  topic(
    'numbers for everything',
    (index) => ({
      txnNo: 90_000_000_000 + index * 13,
      accountNo: 400_100 + (index % 12),
      amountCents: cents(index),
      at: secondsFrom + index,
    }),
    {
      transaction_id: { path: 'txnNo', as: 'whole' },
      user_id: 'accountNo',
      amount: { path: 'amountCents', as: 'minor_units' },
      timestamp: { path: 'at', as: 'epoch_s' },
    },
  ),
  topic(
    'an event in an envelope',
    (index) => ({
      specversion: '1.0',
      source: '/payments',
      type: 'payment.done',
      time: iso(index),
      data: {
        paymentId: uuid(index),
        buyerId: `b${index % 5}`,
        total: cents(index) / 100,
        shop: of(index, 'North', 'South'),
        country: of(index, 'France', 'Norway', null),
      },
    }),
    {
      transaction_id: 'data.paymentId',
      user_id: { path: 'data.buyerId', type: 'string' },
      amount: 'data.total',
      timestamp: 'time',
      merchant: 'data.shop',
      location: { country: 'data.country' },
    },
  ),
  topic(
    'a change of a database row',
    (index) => ({
      op: 'c',
      ts_ms: (secondsFrom + 5) * 1000,
      after: {
        trx_id: 1_000 + index,
        cust_id: 10 + (index % 5),
        price: cents(index) / 100,
        created_at: iso(index).replace('T', ' ').replace('.000Z', ''),
        label: index % 20 === 0,
        card_type: of(index, 'debit', 'credit'),
      },
    }),
    {
      transaction_id: { path: 'after.trx_id', as: 'whole' },
      user_id: 'after.cust_id',
      amount: 'after.price',
      timestamp: 'after.created_at',
      payment_method: 'after.card_type',
      is_fraud: 'after.label',
    },
  ),
  topic(
    'names with points in them',
    (index) => ({
      'txn.id': hex(index, 10) + index,
      'user.id': `u${index % 6}`,
      'amount.value': (cents(index) / 100).toFixed(2),
      '@timestamp': iso(index),
      'geo.city': of(index, 'Lyon', 'Oslo'),
    }),
    {
      transaction_id: ['txn.id'],
      user_id: { path: ['user.id'], type: 'string' },
      amount: { path: ['amount.value'], as: 'decimal_text' },
      timestamp: '@timestamp',
      location: { city: ['geo.city'] },
    },
  ),
  topic(
    'a wallet in camel case',
    (index) => ({
      transferRef: null,
      transactionReference: `R${hex(index, 6)}${index}`,
      cardHolder: { accountId: uuid(index % 7) },
      grossAmount: { amt: cents(index) / 100, ccy: 'USD' },
      occurredAt: iso(index),
      merchantName: of(index, 'Shop', 'Store'),
      paymentType: 'wallet',
      isFraudulent: false,
      deviceFingerprint: hex(index % 9, 16),
      place: of(index, 'Lyon, France', 'Oslo, Norway'),
    }),
    {
      transaction_id: 'transactionReference',
      user_id: { path: 'cardHolder.accountId', type: 'string' },
      amount: 'grossAmount.amt',
      timestamp: 'occurredAt',
      merchant: 'merchantName',
      payment_method: 'paymentType',
      location: 'place',
      device_id: 'deviceFingerprint',
      is_fraud: 'isFraudulent',
    },
  ),
]
