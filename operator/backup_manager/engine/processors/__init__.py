"""Bytes to bytes: chunking, compression, hashing and sealing, each library behind one file.

The encoder and the frames that put them together live here, too.
"""
