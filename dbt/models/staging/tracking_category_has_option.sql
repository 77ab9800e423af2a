{{ tap_xero.select_table('tracking_category_options', {
    'tracking_category_id': 'text',
    'tracking_option_id': 'text',
}) }}
