select
  {{ record_key() }} as record_key,
  transaction_id,
  user_id,
  amount,
  amount_category,
  is_high_value,
  merchant,
  payment_method,
  city,
  country,
  device_id,
  is_fraud,
  event_time,
  transaction_date,
  transaction_hour,
  is_weekend,
  processing_time
from {{ source('silver', 'transactions') }}
