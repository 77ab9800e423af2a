-- The journals against Xero's own reports: one row for each basis, month and account, debits up.
--
-- ledger_amount: the journals, summed.
-- trial_balance_amount: what the account moved, in the trial balance.
-- statement_amount: the amount in the profit and loss; or, for an account of the balance sheet, how
--     far its balance moved since the month before. Not for the month in which the balances open.
-- status: `agrees`; `differs`; or `revalued`, where the reports hold an unrealised currency gain that
--     no journal holds, and the accounts that are owed in another currency moved by the same amount.
with months as (
    select basis, date_month from {{ ref('tap_xero', 'report_trial_balance') }}
    union
    select basis, date_month from {{ ref('tap_xero', 'report_profit_and_loss_totals') }}
    union
    select basis, date_month from {{ ref('tap_xero', 'report_balance_sheet') }}
),

lines as (
    select
        proof_id,
        min(code) as account_code,
        min(name) as account_name,
        max(case when in_profit_and_loss then 1 else 0 end) as in_profit_and_loss,
        max(case when can_be_revalued then 1 else 0 end) as can_be_revalued
    from {{ ref('tap_xero', 'proof_accounts') }}
    group by proof_id
    union
    select 'currency gains', null, 'Currency gains', 1, 0
    where not exists (
        select 1 from {{ ref('tap_xero', 'proof_accounts') }} where proof_id = 'currency gains'
    )
),

posted as (
    select ledger.basis, ledger.date_month, accounts.proof_id, sum(ledger.net_amount) as amount
    from {{ ref('tap_xero', 'ledger') }} as ledger
    inner join {{ ref('tap_xero', 'proof_accounts') }} as accounts on ledger.account_id = accounts.account_id
    group by 1, 2, 3
),

moved as (
    select
        report.basis,
        report.date_month,
        coalesce(accounts.proof_id, 'currency gains') as proof_id,
        sum(report.net_amount) as amount
    from {{ ref('tap_xero', 'report_trial_balance') }} as report
    left join {{ ref('tap_xero', 'proof_accounts') }} as accounts on report.account_id = accounts.account_id
    group by 1, 2, 3
),

earned as (
    select
        report.basis,
        report.date_month,
        coalesce(accounts.proof_id, 'currency gains') as proof_id,
        -sum(report.net_amount) as amount
    from {{ ref('tap_xero', 'report_profit_and_loss') }} as report
    left join {{ ref('tap_xero', 'proof_accounts') }} as accounts on report.account_id = accounts.account_id
    group by 1, 2, 3
),

balances as (
    select
        report.basis,
        report.date_month,
        coalesce(accounts.proof_id, 'earnings') as proof_id,
        sum(report.net_amount) as amount
    from {{ ref('tap_xero', 'report_balance_sheet') }} as report
    left join {{ ref('tap_xero', 'proof_accounts') }} as accounts on report.account_id = accounts.account_id
    group by 1, 2, 3
),

sheets as (
    select distinct basis, date_month from balances
),

cells as (
    select
        months.basis,
        months.date_month,
        lines.*,
        coalesce(posted.amount, 0) as ledger_amount,
        case when has_trial_balance.basis is not null then coalesce(moved.amount, 0) end
            as trial_balance_amount,
        case
            when lines.in_profit_and_loss = 1 and totals.basis is not null
                then coalesce(earned.amount, 0)
            when lines.in_profit_and_loss = 0 and sheets.basis is not null
                and sheets_before.basis is not null and months.date_month > openings.date_month
                then coalesce(balances.amount, 0) - coalesce(balances_before.amount, 0)
                    -- The earnings grow by the profit, which its accounts prove.
                    + case when lines.proof_id = 'earnings' then totals.net_profit else 0 end
        end as statement_amount,
        months.date_month > openings.date_month as is_open
    from months
    cross join lines
    left join (select distinct basis, date_month from moved) as has_trial_balance
        on months.basis = has_trial_balance.basis and months.date_month = has_trial_balance.date_month
    left join {{ ref('tap_xero', 'report_profit_and_loss_totals') }} as totals
        on months.basis = totals.basis and months.date_month = totals.date_month
    left join sheets on months.basis = sheets.basis and months.date_month = sheets.date_month
    left join sheets as sheets_before
        on months.basis = sheets_before.basis
        and sheets_before.date_month = {{ dbt.dateadd('month', -1, 'months.date_month') }}
    left join (select distinct basis, date_month from {{ ref('tap_xero', 'books_opening') }}) as openings
        on months.basis = openings.basis
    left join posted
        on months.basis = posted.basis and months.date_month = posted.date_month
        and lines.proof_id = posted.proof_id
    left join moved
        on months.basis = moved.basis and months.date_month = moved.date_month
        and lines.proof_id = moved.proof_id
    left join earned
        on months.basis = earned.basis and months.date_month = earned.date_month
        and lines.proof_id = earned.proof_id
    left join balances
        on months.basis = balances.basis and months.date_month = balances.date_month
        and lines.proof_id = balances.proof_id
    left join balances as balances_before
        on months.basis = balances_before.basis
        and balances_before.date_month = {{ dbt.dateadd('month', -1, 'months.date_month') }}
        and lines.proof_id = balances_before.proof_id
),

differences as (
    select
        cells.*,
        -- The trial balance of the month in which the balances open holds them as movements.
        case when in_profit_and_loss = 1 or is_open then trial_balance_amount - ledger_amount end
            as trial_balance_difference,
        statement_amount - ledger_amount as statement_difference
    from cells
),

revaluations as (
    select
        basis,
        date_month,
        sum(case when proof_id = 'currency gains' then statement_difference end) as gain,
        sum(case when can_be_revalued = 1 then statement_difference end) as revalued
    from differences
    group by basis, date_month
)

select
    differences.date_month,
    differences.basis,
    differences.proof_id,
    differences.account_code,
    differences.account_name,
    differences.ledger_amount,
    differences.trial_balance_amount,
    differences.statement_amount,
    differences.trial_balance_difference,
    differences.statement_difference,
    case
        when coalesce(differences.trial_balance_difference, 0) = 0
            and coalesce(differences.statement_difference, 0) = 0
            then 'agrees'
        when (differences.proof_id = 'currency gains' or differences.can_be_revalued = 1)
            and revaluations.gain <> 0
            and revaluations.gain + coalesce(revaluations.revalued, -revaluations.gain) = 0
            and coalesce(differences.trial_balance_difference, 0) in (0, differences.statement_difference)
            then 'revalued'
        else 'differs'
    end as status
from differences
inner join revaluations
    on differences.basis = revaluations.basis and differences.date_month = revaluations.date_month
where differences.ledger_amount <> 0
    or differences.trial_balance_amount <> 0
    or differences.statement_amount <> 0
