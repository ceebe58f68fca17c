select
  transaction_date,
  count(*) as transactions,
  sum(amount) as amount,
  count(distinct user_id) as users,
  count(distinct merchant) as merchants,
  count(*) filter (where is_fraud) as frauds,
  sum(case when is_fraud then amount else 0 end) as fraud_amount,
  {{ percent('count(*) filter (where is_fraud)', 'count(*)') }} as fraud_rate_percent,
  count(*) filter (where requires_review) as reviews,
  {{ percent('count(*) filter (where requires_review)', 'count(*)') }} as review_rate_percent,
  count(*) filter (where requires_review and is_fraud) as frauds_reviewed,
  {{ percent('count(*) filter (where requires_review and is_fraud)', 'count(*) filter (where requires_review)') }} as precision_percent,
  {{ percent('count(*) filter (where requires_review and is_fraud)', 'count(*) filter (where is_fraud)') }} as recall_percent,
  {{ percent('count(*) filter (where review_rank <= ' ~ (var('reviews_per_day') | int) ~ ' and is_fraud)', 'count(*) filter (where is_fraud)') }} as recall_at_capacity_percent
from (
  select *, row_number() over (partition by transaction_date order by fraud_score desc, event_time, record_key) as review_rank
  from {{ ref('fct_transactions') }}
) as ranked
group by transaction_date
