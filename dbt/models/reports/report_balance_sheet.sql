-- The balance sheet as Xero itself reports it, debits up: needs no journals.
with cells as (
    {{ tap_xero.report_cells('balance_sheet') | indent }}
),

rows_with_an_amount as (
    select
        cells.*,
        account.account_id as known_account_id,
        account.code,
        account.type,
        -- Xero lists each bank account among the assets, a credit card too.
        case when account.type = 'BANK' then 'ASSET' else account.class end as class
    from cells
    left join {{ ref('tap_xero', 'account') }} as account on cells.account_id = account.account_id
    where cells.row_type = 'Row' and cells.section <> '' and cells.value is not null
),

-- Current Year Earnings has no account of the organisation. Its section says on which side it is.
sections as (
    select section, max(class) as class
    from rows_with_an_amount
    group by section
)

select
    found.date_month,
    found.basis,
    found.section,
    found.known_account_id as account_id,
    found.account_group,
    found.row_title as account_name,
    found.code as account_code,
    found.type as account_type,
    coalesce(found.class, sections.class, 'EQUITY') as account_class,
    case
        when coalesce(found.class, sections.class) = 'ASSET' then found.value
        else -found.value
    end as net_amount,
    found.read_date_utc
from rows_with_an_amount as found
left join sections on found.section = sections.section
