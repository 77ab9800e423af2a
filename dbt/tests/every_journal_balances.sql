-- Runs after the proof, which then still names the account and month.
-- depends_on: {{ ref('tap_xero', 'books_proof') }}
select basis, journal_id, sum(net_amount) as net_amount
from {{ ref('tap_xero', 'ledger') }}
group by basis, journal_id
having sum(net_amount) <> 0
