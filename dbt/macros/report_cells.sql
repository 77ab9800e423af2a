{#
    Select the cells of a report, one row each. Closed months are read again from time to time, and
    a target keeps the surplus rows of an earlier reading: only the newest reading counts.
#}
{% macro report_cells(table) %}
select cells.*
from (
    select
        every_reading.*,
        -- Some targets load empty text as null.
        coalesce(section_path, '') as section,
        cast({{ dbt.date_trunc('month', 'period_end_date') }} as date) as date_month,
        max(read_date_utc) over (partition by basis, period_end_date) as newest_read_date_utc
    from (
        {{ tap_xero.select_table(table, {
            'basis': 'text',
            'period_end_date': 'date',
            'read_date_utc': 'timestamp',
            'row_number': 'integer',
            'column_title': 'text',
            'section_path': 'text',
            'row_type': 'text',
            'row_title': 'text',
            'account_id': 'text',
            'account_group': 'text',
            'value': 'number',
        }) | indent(8) }}
    ) as every_reading
) as cells
where read_date_utc = newest_read_date_utc
{% endmacro %}
