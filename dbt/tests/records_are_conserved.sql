-- Every record of bronze is in silver or in quarantine, in one of them and once; nothing else is. Days that
-- retention took from bronze are left out.
with kept as (
  select topic, {{ adapter.quote('partition') }} as kafka_partition, min({{ adapter.quote('offset') }}) as first_offset
  from {{ source('bronze', 'transactions') }} group by 1, 2
),
judged as (
  select topic, {{ adapter.quote('partition') }} as kafka_partition, {{ adapter.quote('offset') }} as kafka_offset from {{ source('silver', 'transactions') }}
  union all
  select topic, {{ adapter.quote('partition') }}, {{ adapter.quote('offset') }} from {{ source('silver', 'quarantine') }}
),
placed as (
  select judged.topic, judged.kafka_partition, judged.kafka_offset, count(*) as times
  from judged join kept on kept.topic = judged.topic and kept.kafka_partition = judged.kafka_partition
  where judged.kafka_offset >= kept.first_offset
  group by 1, 2, 3
)
select coalesce(record.topic, placed.topic) as topic,
  coalesce(record.{{ adapter.quote('partition') }}, placed.kafka_partition) as kafka_partition,
  coalesce(record.{{ adapter.quote('offset') }}, placed.kafka_offset) as kafka_offset,
  coalesce(placed.times, 0) as times
from {{ source('bronze', 'transactions') }} as record
full outer join placed
  on placed.topic = record.topic and placed.kafka_partition = record.{{ adapter.quote('partition') }}
  and placed.kafka_offset = record.{{ adapter.quote('offset') }}
where record.topic is null or coalesce(placed.times, 0) <> 1
