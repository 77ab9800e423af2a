-- Balances that the journals do not hold, by basis and account: Xero's conversion balances.
--
-- The balance sheet of the month before the first journal, or of the first month that was read,
-- less the journals up to then. The balances of all accounts together are zero.
with first_journals as (
    select basis, min(date_month) as date_month
    from {{ ref('tap_xero', 'ledger') }}
    group by basis
),

openings as (
    select sheet.basis, min(sheet.date_month) as date_month
    from {{ ref('tap_xero', 'report_balance_sheet') }} as sheet
    inner join first_journals on sheet.basis = first_journals.basis
    where sheet.date_month >= {{ dbt.dateadd('month', -1, 'first_journals.date_month') }}
    group by sheet.basis
),

amounts as (
    select
        openings.basis,
        openings.date_month,
        coalesce(accounts.proof_id, 'earnings') as proof_id,
        sheet.net_amount as reported,
        0 as posted
    from openings
    inner join {{ ref('tap_xero', 'report_balance_sheet') }} as sheet
        on openings.basis = sheet.basis and openings.date_month = sheet.date_month
    left join {{ ref('tap_xero', 'proof_accounts') }} as accounts on sheet.account_id = accounts.account_id
    union all
    -- What is posted to profit and loss is part of the earnings.
    select
        openings.basis,
        openings.date_month,
        case when accounts.in_profit_and_loss then 'earnings' else accounts.proof_id end as proof_id,
        0 as reported,
        ledger.net_amount as posted
    from openings
    inner join {{ ref('tap_xero', 'ledger') }} as ledger
        on openings.basis = ledger.basis and ledger.date_month <= openings.date_month
    inner join {{ ref('tap_xero', 'proof_accounts') }} as accounts on ledger.account_id = accounts.account_id
)

select
    basis,
    date_month,
    proof_id,
    sum(reported) as reported,
    sum(posted) as posted,
    sum(reported) - sum(posted) as opening_difference
from amounts
group by basis, date_month, proof_id
