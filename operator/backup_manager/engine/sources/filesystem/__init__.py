"""Files as a source: walking, reading, and telling what changed."""
