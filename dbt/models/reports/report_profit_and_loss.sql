-- The profit and loss as Xero itself reports it: needs no journals.
with cells as (
    {{ tap_xero.report_cells('profit_and_loss') | indent }}
),

rows_with_an_amount as (
    select
        cells.*,
        account.code,
        account.type,
        account.class
    from cells
    left join {{ ref('tap_xero', 'account') }} as account on cells.account_id = account.account_id
    where cells.row_type = 'Row' and cells.section <> '' and cells.value is not null
),

-- Currency gains are one row without an account. Their section says whether a cost counts up.
sections as (
    select section, max(class) as class
    from rows_with_an_amount
    group by section
)

select
    found.date_month,
    found.basis,
    found.section,
    found.account_id,
    found.account_group,
    found.row_title as account_name,
    found.code as account_code,
    found.type as account_type,
    coalesce(found.class, sections.class, 'EXPENSE') as account_class,
    case
        when coalesce(found.class, sections.class) = 'REVENUE' then found.value
        else -found.value
    end as net_amount,
    found.read_date_utc
from rows_with_an_amount as found
left join sections on found.section = sections.section
