-- No transaction and no cent is lost on the way to the KPIs, or counted twice.
with totals as (
  select 'silver' as place, count(*) as transactions, sum(amount) as amount from {{ source('silver', 'transactions') }}
  union all
  select 'fct_transactions', count(*), sum(amount) from {{ ref('fct_transactions') }}
  union all
  select 'kpi_daily', cast(sum(transactions) as bigint), sum(amount) from {{ ref('kpi_daily') }}
  union all
  select 'customer_risk', cast(sum(transactions) as bigint), sum(amount) from {{ ref('customer_risk') }}
  union all
  select 'cohort_new_users', cast(sum(transactions) as bigint), sum(amount) from {{ ref('cohort_new_users') }}
)
select found.* from totals as found
join totals as silver on silver.place = 'silver'
where found.transactions is distinct from silver.transactions or found.amount is distinct from silver.amount
