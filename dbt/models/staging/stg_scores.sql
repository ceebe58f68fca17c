select
  {{ record_key() }} as record_key,
  transaction_id,
  user_id,
  amount,
  is_fraud,
  event_time,
  transaction_date,
  fraud_score,
  risk_level,
  requires_review,
  tx_count_30min,
  reasons,
  processing_time
from {{ source('fraud', 'fraud_detection') }}
