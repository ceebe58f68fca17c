-- What came, what was taken and what was refused, by the day it came.
select
  record.processing_date,
  count(*) as records,
  count(*) - count(refusal.record_key) as accepted,
  count(refusal.record_key) as refused,
  {{ percent('count(refusal.record_key)', 'count(*)') }} as refused_percent
from {{ ref('stg_records') }} as record
left join {{ ref('stg_refusals') }} as refusal on refusal.record_key = record.record_key
group by record.processing_date
