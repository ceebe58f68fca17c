-- A day is computed anew when any cell of it is another one than it was: an incremental run takes up new
-- transactions, corrected scores and erased persons alike.
{{
  config(
    materialized='incremental',
    incremental_strategy='delete+insert' if target.type == 'duckdb' else 'insert_overwrite',
    unique_key='transaction_date' if target.type == 'duckdb' else none,
    partition_by=['transaction_date'] if target.type == 'spark' else none,
    file_format='parquet' if target.type == 'spark' else none,
    on_schema_change='fail',
    pre_hook="{{ delete_days_that_are_gone() }}"
  )
}}
{%- set columns = ['record_key', 'transaction_id', 'user_id', 'amount', 'is_high_value', 'merchant', 'payment_method', 'city',
  'country', 'device_id', 'is_fraud', 'event_time', 'transaction_hour', 'is_weekend', 'fraud_score', 'risk_level',
  'requires_review', 'tx_count_30min', 'processing_time', 'transaction_date'] %}
with current_rows as (
  select
    silver.record_key,
    silver.transaction_id,
    silver.user_id,
    silver.amount,
    silver.is_high_value,
    silver.merchant,
    silver.payment_method,
    silver.city,
    silver.country,
    silver.device_id,
    silver.is_fraud,
    silver.event_time,
    silver.transaction_hour,
    silver.is_weekend,
    score.fraud_score,
    score.risk_level,
    score.requires_review,
    score.tx_count_30min,
    silver.processing_time,
    silver.transaction_date
  from {{ ref('stg_transactions') }} as silver
  left join {{ ref('stg_scores') }} as score on score.record_key = silver.record_key
)
select {{ columns | join(', ') }}
from current_rows
{%- if is_incremental() %}
where transaction_date in (select changed.transaction_date from ({{ changed_days(columns) }}) as changed)
{%- endif %}
