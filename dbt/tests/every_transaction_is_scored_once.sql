-- Silver and the scores have the same rows, with the same cells.
select coalesce(silver.record_key, score.record_key) as record_key, count(*) as times
from {{ ref('stg_transactions') }} as silver
full outer join {{ ref('stg_scores') }} as score on score.record_key = silver.record_key
group by coalesce(silver.record_key, score.record_key)
having count(*) <> 1 or count(silver.record_key) <> 1 or count(score.record_key) <> 1
  or min(case when silver.amount = score.amount and silver.event_time = score.event_time
    and silver.user_id = score.user_id then 1 else 0 end) = 0
