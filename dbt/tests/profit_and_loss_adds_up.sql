-- The rows of a profit and loss come to the net profit that Xero writes below them.
with summed as (
    select basis, date_month, sum(net_amount) as net_profit
    from {{ ref('tap_xero', 'report_profit_and_loss') }}
    group by basis, date_month
)

select
    coalesce(totals.basis, summed.basis) as basis,
    coalesce(totals.date_month, summed.date_month) as date_month,
    totals.net_profit,
    summed.net_profit as summed
from {{ ref('tap_xero', 'report_profit_and_loss_totals') }} as totals
full outer join summed on totals.basis = summed.basis and totals.date_month = summed.date_month
where totals.net_profit is null or totals.net_profit <> coalesce(summed.net_profit, 0)
