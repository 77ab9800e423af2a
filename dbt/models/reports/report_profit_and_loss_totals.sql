-- The net profit of each month as Xero writes it: the last row that is in no section.
with cells as (
    {{ tap_xero.report_cells('profit_and_loss') | indent }}
),

outside_sections as (
    select
        cells.*,
        row_number() over (partition by basis, date_month order by row_number desc) as from_the_end
    from cells
    where section = '' and row_type in ('Row', 'SummaryRow') and value is not null
)

select date_month, basis, row_title as title, value as net_profit
from outside_sections
where from_the_end = 1
