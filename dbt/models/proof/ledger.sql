-- All journal lines on both bases, debits up.
with lines as (
    select 'accrual' as basis, journal_id, journal_line_id, account_id, description, net_amount, tax_amount
    from {{ ref('tap_xero', 'journal_line') }}
    union all
    select 'cash' as basis, journal_id, journal_line_id, account_id, description, net_amount, tax_amount
    from {{ ref('tap_xero', 'journal_cash_line') }}
),

journals as (
    select 'accrual' as basis, journal_id, journal_number, journal_date, reference, source_id, source_type
    from {{ ref('tap_xero', 'journal') }}
    union all
    select 'cash' as basis, journal_id, journal_number, journal_date, reference, source_id, source_type
    from {{ ref('tap_xero', 'journal_cash') }}
)

select
    lines.basis,
    journals.journal_date,
    cast({{ dbt.date_trunc('month', 'journals.journal_date') }} as date) as date_month,
    lines.journal_id,
    journals.journal_number,
    lines.journal_line_id,
    journals.source_type,
    journals.source_id,
    journals.reference,
    lines.description,
    lines.account_id,
    account.code as account_code,
    account.name as account_name,
    account.type as account_type,
    account.class as account_class,
    lines.net_amount,
    lines.tax_amount
from lines
inner join journals on lines.basis = journals.basis and lines.journal_id = journals.journal_id
left join {{ ref('tap_xero', 'account') }} as account on lines.account_id = account.account_id
