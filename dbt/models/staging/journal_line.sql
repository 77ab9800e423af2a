{{ tap_xero.select_table('journal_lines', {
    'journal_line_id': 'text',
    'journal_id': 'text',
    'account_id': 'text',
    'account_code': 'text',
    'account_name': 'text',
    'account_type': 'text',
    'description': 'text',
    'net_amount': 'number',
    'tax_amount': 'number',
    'gross_amount': 'number',
    'tax_type': 'text',
    'tax_name': 'text',
}) }}
