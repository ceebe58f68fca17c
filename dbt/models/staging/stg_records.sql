select
  {{ record_key() }} as record_key,
  kafka_timestamp,
  processing_time,
  processing_date
from {{ source('bronze', 'transactions') }}
