{{ tap_xero.select_table('journal_cash_line_tracking', {
    'journal_id': 'text',
    'journal_line_id': 'text',
    'tracking_category_id': 'text',
    'tracking_category_option_id': ['text', 'TrackingOptionID'],
    'option': 'text',
}) }}
