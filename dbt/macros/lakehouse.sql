{# On Spark the tables of the lakehouse are registered where they lie; on DuckDB the catalog has them as views. #}
{% macro register_sources() %}
  {% if target.type == 'spark' and execute %}
    {% set base = env_var('DELTA_BASE_PATH') %}
    {% do run_query("set spark.sql.session.timeZone = UTC") %}
    {% for node in graph.sources.values() if node.package_name == 'assay' %}
      {% set path = base ~ '/' ~ (node.identifier if node.schema == 'main' else node.schema ~ '/' ~ node.identifier) %}
      {% do run_query("create schema if not exists " ~ node.schema) %}
      {% do run_query("create table if not exists " ~ node.schema ~ ".`" ~ node.identifier ~ "` using delta location '" ~ path | replace("\\", "\\\\") | replace("'", "\\'") ~ "'") %}
    {% endfor %}
  {% endif %}
{% endmacro %}

{# Schemas are named as they are, without the target's own in front. #}
{% macro generate_schema_name(custom_schema_name, node) %}
  {{- custom_schema_name | trim if custom_schema_name else target.schema -}}
{% endmacro %}

{# A record's place in Kafka (or in its file): what no two rows of a table have in common. #}
{% macro record_key() %}
  concat(topic, '/', cast({{ adapter.quote('partition') }} as {{ dbt.type_string() }}), '/', cast({{ adapter.quote('offset') }} as {{ dbt.type_string() }}))
{% endmacro %}

{# The first instant of the tumbling window of so many minutes that holds an instant. #}
{% macro window_start(instant, minutes) %}
  {%- if target.type == 'spark' -%}
    timestamp_seconds(floor(unix_micros({{ instant }}) / {{ minutes * 60000000 }}) * {{ minutes * 60 }})
  {%- else -%}
    to_timestamp(floor(epoch_us({{ instant }}) / {{ minutes * 60000000 }}) * {{ minutes * 60 }})
  {%- endif -%}
{% endmacro %}

{% macro minutes_before(instant, minutes) %}
  {{ instant }} - interval '{{ minutes }}' minute
{% endmacro %}

{# A number that any change of any of these cells of any row changes; the order of rows does not. #}
{% macro fingerprint(columns) %}
  {%- if target.type == 'spark' -%}
    bit_xor(xxhash64({{ columns | join(', ') }}))
  {%- else -%}
    bit_xor(hash({{ columns | join(', ') }}))
  {%- endif -%}
{% endmacro %}

{# A row for each element of a list of texts. #}
{% macro each(relation, list, name, columns) %}
  {%- if target.type == 'spark' -%}
    select {{ columns | join(', ') }}, {{ name }} from {{ relation }} lateral view explode({{ list }}) as {{ name }}
  {%- else -%}
    select {{ columns | join(', ') }}, unnest({{ list }}) as {{ name }} from {{ relation }}
  {%- endif -%}
{% endmacro %}

{# Days of this model that are not, cell by cell, what they were: new ones, corrected ones, erased rows. #}
{% macro changed_days(columns) %}
  {%- set cells = fingerprint(columns) -%}
  select coalesce(there.transaction_date, here.transaction_date) as transaction_date
  from (select transaction_date, count(*) as row_count, {{ cells }} as cells from current_rows group by transaction_date) as there
  full outer join (select transaction_date, count(*) as row_count, {{ cells }} as cells from {{ this }} group by transaction_date) as here
    on there.transaction_date = here.transaction_date
  where (there.row_count is distinct from here.row_count or there.cells is distinct from here.cells)
  {%- if var('days_compared') is not none %}
    and coalesce(there.transaction_date, here.transaction_date)
      > (select max(transaction_date) from current_rows) - interval '{{ var('days_compared') | int }}' day
  {%- endif %}
{% endmacro %}

{# part / whole in percent; null where the whole is 0. #}
{% macro percent(part, whole) %}
  100.0 * {{ part }} / nullif({{ whole }}, 0)
{% endmacro %}

{# Before an incremental run: days that the lakehouse has no row of any more. #}
{% macro delete_days_that_are_gone() %}
  {%- if is_incremental() -%}
    {%- if target.type == 'duckdb' -%}
      delete from {{ this }} where transaction_date not in (select transaction_date from {{ ref('stg_transactions') }})
    {%- endif -%}
  {%- endif -%}
{% endmacro %}

{# The risk of those whom a column names: how they score, what a person had to look at, and what was fraud. #}
{% macro risk_of(who, others, others_name) %}
select
  {{ who }},
  count(*) as transactions,
  sum(amount) as amount,
  count(distinct {{ others }}) as {{ others_name }},
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
where {{ who }} is not null
group by {{ who }}
{% endmacro %}
