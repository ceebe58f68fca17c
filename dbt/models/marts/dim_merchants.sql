select
  merchant,
  min(event_time) as first_transaction_at,
  max(event_time) as last_transaction_at,
  count(*) as transactions,
  sum(amount) as amount,
  count(distinct user_id) as users,
  count(distinct country) as countries,
  count(*) filter (where is_fraud) as frauds
from {{ ref('fct_transactions') }}
where merchant is not null
group by merchant
