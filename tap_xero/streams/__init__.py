"""Which streams there are, their schemas and their rows."""
