{{ tap_xero.select_table('tracking_categories', {
    'tracking_category_id': 'text',
    'name': 'text',
    'status': 'text',
}) }}
