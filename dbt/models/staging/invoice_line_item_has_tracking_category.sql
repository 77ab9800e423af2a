{{ tap_xero.select_table('invoice_line_item_tracking', {
    'invoice_id': 'text',
    'line_item_id': 'text',
    'tracking_category_id': 'text',
    'option': 'text',
}, lines_of=['invoices', 'InvoiceID']) }}
