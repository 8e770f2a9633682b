"""Where restored data go."""
