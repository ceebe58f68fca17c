// The columns of fraud_labels: what became known of a transaction after it was scored.

export const labelColumns = {
  /** Names the transaction, as the events name it, as text. */
  event: 'transaction_id',
  isFraud: 'is_fraud',
  knownAt: 'known_at',
  /** Who says so, as in chargeback. */
  source: 'source',
  importedAt: 'imported_at',
  importedBy: 'imported_by',
} as const
