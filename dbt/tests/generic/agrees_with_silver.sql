{#
  Rows of a table of windows that are not what silver gives, of all windows that are closed: missing ones, those
  that should not be there, and those with another figure. A row of silver counts that was there when its window
  closed.
#}
{% test agrees_with_silver(model, minutes, keys, figures, slide=none) %}
  {%- set step = slide or minutes -%}
  with closed as (
    select window_end, min(aggregation_time) as closed_at from {{ model }} group by window_end
  ),
  closings as (
    select ends.window_end, min(later.closed_at) as closed_at
    from closed as ends join closed as later on later.window_end >= ends.window_end
    group by ends.window_end
  ),
  newest as (select max(window_end) as window_end, max(aggregation_time) as closed_at from {{ model }}),
  placed as (
    {%- for index in range(0, minutes // step) %}
    {{ 'union all' if not loop.first }}
    select silver.*, {{ minutes_before(window_start('event_time', step), index * step) }} as window_start
    from {{ source('silver', 'transactions') }} as silver
    {%- endfor %}
  ),
  ended as (
    select placed.*, {{ minutes_before('window_start', -minutes) }} as window_end from placed
  ),
  expected as (
    select ended.window_start
      {%- for key in keys %}, {{ key }}{% endfor %}
      {%- for name, figure in figures.items() %}, {{ figure }} as {{ name }}{% endfor %}
    from ended
    cross join newest
    left join closings on closings.window_end = ended.window_end
    where ended.window_end <= newest.window_end
      and ended.processing_time <= coalesce(closings.closed_at, newest.closed_at)
    group by ended.window_start{% for key in keys %}, {{ key }}{% endfor %}
  )
  select coalesce(found.window_start, expected.window_start) as window_start
    {%- for key in keys %}, coalesce(found.{{ key }}, expected.{{ key }}) as {{ key }}{% endfor %}
    {%- for name in figures %}, expected.{{ name }} as {{ name }}_expected, found.{{ name }} as {{ name }}_found{% endfor %}
  from {{ model }} as found
  full outer join expected
    on found.window_start = expected.window_start
    {%- for key in keys %} and found.{{ key }} is not distinct from expected.{{ key }}{% endfor %}
  where found.window_start is null or expected.window_start is null
    {%- for name in figures %} or found.{{ name }} is distinct from expected.{{ name }}{% endfor %}
{% endtest %}
