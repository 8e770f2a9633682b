"""The catalogue of one backup: sorted entries in pages, pages in nodes, one root.

This page specifies the bodies of the metadata blobs, whose frame the package ``repository`` describes.
All bodies are MessagePack; ``bin`` for bytes, ``str`` only for the names of owners. The encoding was chosen
by measurement: ``page`` has the numbers.

Order
    Entries are sorted by ``path_key``: the path with ``/`` replaced by a zero byte, compared as bytes. A
    folder stands before what it holds, and all that it holds follows without a gap. No path occurs twice.

Frame of every metadata blob
    kind u8 ‖ level u8 ‖ zero u16 ‖ ``metadata refs`` u32 ‖ ``data refs`` u32 ‖ metadata ids, then data
    ids, 32 bytes each ‖ body. In a body a *ref* is the number of an id in one of the two lists; both lists
    are in the order in which the body first mentions their ids, and name none twice (a node names each
    child, in order).

Page (kind 1, level 0)
    An array of entries, each an array of 21 fields:

    ===  ============  ===========  ======================================================================
    no.  field         type         meaning
    ===  ============  ===========  ======================================================================
    0    path          bin          absolute original path, no slash at its end except in ``/``
    1    kind          1 … 7        file, directory, symbolic link, FIFO, socket, character, block device
    2    mode          int          permission, set-id and sticky bits (0o7777)
    3    uid           int
    4    gid           int
    5    size          int          bytes of a file, holes included; 0 for any other kind
    6    mtime_ns      int          nanoseconds since 1970, may be negative
    7    ctime_ns      int
    8    inode         int          unsigned 64 bits
    9    device        int          ``st_dev`` of the file system it was read from
    10   links         int          ``st_nlink``
    11   target        bin          of a symbolic link, as it was read
    12   rdev          int          of a character or block device
    13   xattrs        array        of ``[name bin, value bin]``, sorted by name
    14   racy          bool         read within 2 s of its last change: an incremental run reads it again
    15   hash          bin          16 bytes, the member hash of a small file; else empty
    16   chunks        array        flat: ref, length, ref, length, …
    17   offset        int          ≥ 0: a small file at this offset of the frame ``chunks[0]``; else -1
    18   depth         int          0: ``chunks`` are data refs; else they are metadata refs, see below
    19   user          str          name of the owner when it was read, for people; restoring uses numbers
    20   group         str
    ===  ============  ===========  ======================================================================

    A small file (offset ≥ 0) has one pair: the frame's data ref and its own size. Any other file has the
    pairs of its extents in order; a ref of -1 is a hole; the lengths add up to ``size``. At most 1,024 pairs
    stand in an entry. Of more, the extents are stored in chunk lists of 4,096 pairs (the last one may be
    shorter), and the entry refers to those with depth 1; when these are more than 1,024, lists of lists
    follow with depth 2, and so on. Each pair then holds the metadata ref of a list and the bytes it covers.

Chunk list (kind 3, level 0)
    One flat array: ref, length, ref, length, … Refs are data refs in a list of extents (-1 is a hole) and
    metadata refs in a list of lists; the depth at which a list was met says which.

Node (kind 2, level ≥ 1)
    An array of descriptors of its children, which are pages at level 1 and else nodes one level lower. The
    child of descriptor *i* is metadata ref *i*. A descriptor is an array of 10 fields: ``id`` (empty: the
    ref says it), ``first`` and ``last`` path (bin), ``entries``, ``files``, ``directories``, ``others``,
    ``bytes`` (the sum of the files' sizes), ``fingerprint`` (bin, 32 bytes or empty; empty for nodes),
    ``level`` (of the child).

    The root is always a node. A node without children is the catalogue of nothing.

Boundaries
    A page ends after an entry if it holds 16 entries or more and the low 9 bits of CRC-32 (zlib's) of the
    entry's path are zero, if it holds 4,096 entries, or if the sizes of its files add up to 4 GiB or more.
    A node ends after a child if it holds 4 children or more and the low 6 bits of CRC-32 of the child's
    first path are zero, or if it holds 512. The last page and the last node of a level may be shorter.
    Boundaries are for deduplication only; readers do not depend on them.

Fingerprint of a page
    The blob id of, for each entry in order, path ‖ zero byte ‖ ``pack_stat``: what ``lstat`` told of it.
    It is empty when an entry is racy or was read with warnings. An incremental run that computes an
    equal one has an unchanged page, which it refers to without decoding it.
"""
