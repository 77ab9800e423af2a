-- An invoice whose lines all bear another stamp was loaded in part.
select invoice.invoice_id, invoice.invoice_number
from {{ ref('tap_xero', 'invoice') }} as invoice
left join {{ ref('tap_xero', 'invoice_line_item') }} as line on invoice.invoice_id = line.invoice_id
where invoice.status in ('AUTHORISED', 'PAID') and invoice.total <> 0 and line.line_item_id is null
