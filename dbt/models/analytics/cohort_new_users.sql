-- Users by the week of their first transaction, and what they do in each week after.
select
  cast({{ dbt.date_trunc('week', 'users.first_transaction_date') }} as date) as cohort_week,
  cast({{ dbt.datediff(dbt.date_trunc('week', 'users.first_transaction_date'), dbt.date_trunc('week', 'rows_of.transaction_date'), 'week') }} as integer) as weeks_since,
  count(distinct rows_of.user_id) as active_users,
  count(*) as transactions,
  sum(rows_of.amount) as amount,
  count(*) filter (where rows_of.is_fraud) as frauds
from {{ ref('fct_transactions') }} as rows_of
join {{ ref('dim_users') }} as users on users.user_id = rows_of.user_id
group by 1, 2
