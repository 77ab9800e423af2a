"""History and attachments: one call for each document."""
