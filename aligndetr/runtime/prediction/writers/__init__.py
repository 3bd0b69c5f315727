"""What predictions are written as: one file a format, all of them filled as predictions come."""
