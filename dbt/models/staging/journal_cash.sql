{{ tap_xero.select_table('journals_cash', {
    'journal_id': 'text',
    'journal_number': 'integer',
    'journal_date': 'date',
    'created_date_utc': 'timestamp',
    'reference': 'text',
    'source_id': 'text',
    'source_type': 'text',
}) }}
