-- One row for each line of the proof, and the accounts that it stands for.
--
-- Xero's reports roll the accounts of currency gains up into one row, and compute the earnings, so
-- these are one line each.
select
    account_id,
    case
        when system_account in ('REALISEDCURRENCYGAIN', 'UNREALISEDCURRENCYGAIN', 'BANKCURRENCYGAIN')
            then 'currency gains'
        when system_account = 'RETAINEDEARNINGS' then 'earnings'
        else account_id
    end as proof_id,
    code,
    case
        when system_account in ('REALISEDCURRENCYGAIN', 'UNREALISEDCURRENCYGAIN', 'BANKCURRENCYGAIN')
            then 'Currency gains'
        else name
    end as name,
    class in ('REVENUE', 'EXPENSE') as in_profit_and_loss,
    -- What is owed in another currency is worth more or less each month.
    type = 'BANK' or system_account in ('DEBTORS', 'CREDITORS') as can_be_revalued
from {{ ref('tap_xero', 'account') }}
