"""Bytes to bytes: chunking, compression, hashing and sealing, each behind the one file that knows its library."""
