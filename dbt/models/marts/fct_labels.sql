-- What is known of a transaction, and from where. The record itself is a source only where it says fraud: an
-- absent is_fraud is no verdict.
select
  record_key,
  transaction_id,
  user_id,
  'fraud' as label,
  'record' as label_source,
  processing_time as known_at,
  transaction_date
from {{ ref('fct_transactions') }}
where is_fraud
