"""Where data to be backed up come from."""
