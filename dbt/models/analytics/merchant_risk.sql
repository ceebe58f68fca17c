select
  merchant,
  count(*) as transactions,
  sum(amount) as amount,
  count(distinct user_id) as users,
  avg(cast(fraud_score as double)) as fraud_score_mean,
  max(fraud_score) as fraud_score_max,
  count(*) filter (where requires_review) as reviews,
  {{ percent('count(*) filter (where requires_review)', 'count(*)') }} as review_rate_percent,
  count(*) filter (where is_fraud) as frauds,
  sum(case when is_fraud then amount else 0 end) as fraud_amount,
  {{ percent('count(*) filter (where is_fraud)', 'count(*)') }} as fraud_rate_percent,
  case
    when count(*) filter (where is_fraud) > 0 then 'fraud'
    when max(fraud_score) >= 50 then 'review'
    else 'clear'
  end as risk_band
from {{ ref('fct_transactions') }}
where merchant is not null
group by merchant
