"""One HTTP exchange, without a word of Xero's data."""
