"""Proofs over a repository: every byte of its packs, every reference of a catalogue, every small object.

Nothing here repairs, and nothing stops at the first damage: what is found goes on record, so that one run
says everything. Errors that say nothing about the data, such as a store that does not answer, are raised.
"""
