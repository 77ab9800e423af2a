{{ tap_xero.select_table('tracking_category_options', {
    'tracking_option_id': 'text',
    'name': 'text',
    'status': 'text',
    'is_active': 'boolean',
    'is_archived': 'boolean',
    'is_deleted': 'boolean',
    'has_validation_errors': 'boolean',
}) }}
