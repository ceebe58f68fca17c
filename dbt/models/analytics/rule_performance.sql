-- How often each rule fires, and how often it is right by the labels that the records carry. A rule that reads the
-- label itself (known_fraud) is right by its making.
with fired as (
  {{ each(ref('stg_scores'), 'reasons', 'rule', ['record_key', 'amount', 'is_fraud', 'requires_review', 'reasons']) }}
),
totals as (
  select count(*) as transactions, count(*) filter (where is_fraud) as frauds from {{ ref('stg_scores') }}
)
select
  fired.rule,
  count(*) as fired,
  {{ percent('count(*)', 'max(totals.transactions)') }} as fired_percent,
  count(*) filter (where fired.is_fraud) as frauds,
  {{ percent('count(*) filter (where fired.is_fraud)', 'count(*)') }} as precision_percent,
  {{ percent('count(*) filter (where fired.is_fraud)', 'max(totals.frauds)') }} as recall_percent,
  count(*) filter (where {{ 'size' if target.type == 'spark' else 'len' }}(fired.reasons) = 1) as fired_alone,
  sum(fired.amount) as amount,
  count(*) filter (where fired.requires_review) as reviews
from fired cross join totals
group by fired.rule
