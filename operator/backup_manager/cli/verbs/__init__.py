"""The verbs of `sirsinexus backup`, one a file; each is imported when it is called."""
