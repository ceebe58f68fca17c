select
  {{ record_key() }} as record_key,
  reasons,
  processing_time,
  processing_date
from {{ source('silver', 'quarantine') }}
