select basis, date_month, sum(net_amount) as net_amount
from {{ ref('tap_xero', 'report_balance_sheet') }}
group by basis, date_month
having sum(net_amount) <> 0
