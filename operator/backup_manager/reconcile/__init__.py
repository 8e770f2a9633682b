"""Decisions as pure functions: no I/O, no reading of clocks; time and facts come in as arguments."""
