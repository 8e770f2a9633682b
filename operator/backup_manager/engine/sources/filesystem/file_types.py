"""The bits of ``st_mode`` that tell what an entry is, compared without a call for each of a million entries."""

TYPE_BITS = 0o170000  # <sys/stat.h>: S_IFMT and its values, equal on every platform that we know
REGULAR = 0o100000
DIRECTORY = 0o040000
SYMLINK = 0o120000
