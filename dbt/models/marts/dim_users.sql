select
  user_id,
  min(event_time) as first_transaction_at,
  max(event_time) as last_transaction_at,
  min(transaction_date) as first_transaction_date,
  count(*) as transactions,
  sum(amount) as amount,
  count(distinct merchant) as merchants,
  count(distinct country) as countries,
  count(distinct device_id) as devices,
  count(*) filter (where is_fraud) as frauds
from {{ ref('fct_transactions') }}
group by user_id
