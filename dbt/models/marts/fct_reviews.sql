-- Transactions that the rules send to a person.
select
  record_key,
  transaction_id,
  user_id,
  merchant,
  country,
  amount,
  fraud_score,
  risk_level,
  event_time,
  transaction_date,
  is_fraud
from {{ ref('fct_transactions') }}
where requires_review
