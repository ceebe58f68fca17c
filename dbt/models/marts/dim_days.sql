-- Every day from the first transaction to the last, those without any included.
with bounds as (
  select min(transaction_date) as first_date, max(transaction_date) as last_date from {{ ref('fct_transactions') }}
),
days as (
  {%- if target.type == 'spark' %}
  select explode(sequence(first_date, last_date, interval 1 day)) as date_day from bounds where first_date is not null
  {%- else %}
  select cast(unnest(generate_series(first_date, last_date, interval 1 day)) as date) as date_day from bounds where first_date is not null
  {%- endif %}
)
select
  date_day,
  cast(extract(year from date_day) as integer) as calendar_year,
  cast(extract(month from date_day) as integer) as calendar_month,
  -- 1 is Sunday, as in silver.
  cast({{ 'dayofweek(date_day)' if target.type == 'spark' else 'dayofweek(date_day) + 1' }} as integer) as day_of_week,
  {{ 'dayofweek(date_day) in (1, 7)' if target.type == 'spark' else 'dayofweek(date_day) in (0, 6)' }} as is_weekend,
  cast({{ dbt.date_trunc('week', 'date_day') }} as date) as week_start
from days
