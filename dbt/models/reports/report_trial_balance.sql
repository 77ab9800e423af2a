-- What each account moved in a month, as Xero's trial balance has it, debits up.
with cells as (
    {{ tap_xero.report_cells('trial_balance') | indent }}
)

select
    cells.date_month,
    cells.basis,
    account.account_id,
    cells.account_group,
    cells.row_title as account_name,
    account.code as account_code,
    account.type as account_type,
    account.class as account_class,
    sum(case cells.column_title
        when 'Debit' then coalesce(cells.value, 0)
        when 'Credit' then -coalesce(cells.value, 0)
        else 0
    end) as net_amount,
    max(cells.read_date_utc) as read_date_utc
from cells
left join {{ ref('tap_xero', 'account') }} as account on cells.account_id = account.account_id
where cells.row_type = 'Row' and cells.section <> ''
group by 1, 2, 3, 4, 5, 6, 7, 8
