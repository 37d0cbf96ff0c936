"""Digital radiography and mammography."""
