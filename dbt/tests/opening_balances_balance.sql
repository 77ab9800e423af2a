select basis, sum(opening_difference) as opening_difference
from {{ ref('tap_xero', 'books_opening') }}
group by basis
having sum(opening_difference) <> 0
