"""Objects by content: the repository, format version 1.

A repository is a set of immutable objects on any :class:`~backup_manager.engine.storage.base.Storage`.
This page is its specification. All integers are little-endian; ``id`` is 32 bytes; hexadecimal is lower
case. *Documents* are MessagePack maps with string keys, unless JSON is said.

Objects
    ======================================  ==========================================================
    name                                    what it is
    ======================================  ==========================================================
    ``config``                              JSON, authenticated, in the clear, never changed
    ``keys/<repository id>-<generation>``   JSON, the key ring: wrapped keys; 8 digits of generation
    ``packs/d/<name>``                      data pack; 32 hexadecimal digits, drawn when it is opened
    ``packs/m/<name>``                      metadata pack: catalogue pages, nodes and chunk lists
    ``index/<name>``                        index shard, sealed
    ``snapshots/<name>``                    one backup, a sealed document
    ``intents/<name>``                      what a writer is about to refer to, a sealed document
    ``maintenance/<name>``                  plan: what is to be deleted, a sealed document
    ``records/<name>``                      what happened to a backup later, a sealed document
    ======================================  ==========================================================
    ``<name>`` is random (128 bits). A name is never used for other bytes.

Secrets
    Drawn once: ``master`` (32 bytes, one for each epoch; epoch 0 alone in this version), ``id_key`` (32
    bytes) and ``chunker_seed`` (8 bytes, never zero). A key slot wraps the 72 bytes
    ``master ‖ id_key ‖ chunker_seed``. ``id_key`` and ``chunker_seed`` never change in the life of a
    repository, so equal data deduplicates across key rotations.

``config``
    JSON object: ``format`` (1), ``repositoryId`` (32 hexadecimal digits), ``createdAt`` (RFC 3339),
    ``chunker`` (``{"name": "fastcdc-2020", "minBytes": 262144, "targetBytes": 1048576, "maxBytes":
    4194304, "normalization": 1}``), ``frameBytes`` (1048576), ``smallFileBytes`` (262144), ``ids``
    (``blake3-keyed``), ``compression`` (``zstd``), ``sealing`` (``aes-256-gcm``), ``kdf``
    (``hkdf-sha256``), ``encryption`` (``enabled`` or ``disabled``), and last ``mac``: HMAC-SHA256, in
    hexadecimal, over the JSON of all other members with sorted keys and no white space. Its key is
    HKDF(master, salt = repository id, ``backup-manager 1 config``). It is stored in one canonical form:
    members as listed, indented by one blank, ASCII with lower-case escapes, a line feed at the end. It
    is written by one conditional put *after* its first key ring: whoever loses the race removes its own
    ring and reads the winner's. On a store without conditional puts, candidates ``config.<name>`` are
    put, and after a short wait the earliest by the store's time (then by name) is copied to ``config``.

Key ring
    JSON object: ``repositoryId``, ``generation`` (from 1), ``epoch`` (0), ``slots`` (a list of ``{"id",
    "provider", "label", "createdAt", "parameters": {...}, "wrapped": base64}``), ``mac`` and form as
    above, with the key HKDF(master, salt, ``backup-manager 1 keys``). What each provider leaves in a
    slot is specified in :mod:`backup_manager.engine.keys`. After a put, the writer lists the rings: a
    later generation means that it has to look again if its change is in it. Adding, replacing or
    removing a slot writes generation + 1 by a conditional put and then removes the older rings; the
    highest generation rules. Every snapshot and key record names the generation it was written under,
    so that a ring (or the whole folder) put back to an older self is noticed.

Sealing
    The subkey of an object is HKDF-SHA256(ikm = master of its epoch, salt = repository id, as 16 bytes,
    info = ``backup-manager 1 `` ‖ kind ‖ ``/`` ‖ name), 32 bytes, where kind is the first part of the
    object's name (``packs``, ``index``, …) and name its last. Segment *n* is AES-256-GCM with the nonce
    *n* as 12 bytes big-endian and the associated data ``header ‖ kind ‖ "/" ‖ name``; the 16-byte tag
    follows the ciphertext. Names are random, never re-used, and each segment number is used once: no
    nonce is used twice, no object can stand for another.

Header of every sealed object, 16 bytes
    ======  ====  =========================================================
    offset  size  field
    ======  ====  =========================================================
    0       4     ``BMGR``
    4       1     format, 1
    5       1     kind: 1 pack, 2 index, 3 snapshot, 4 intent, 5 plan, 6 record
    6       2     zero
    8       4     epoch, 0
    12      4     zero
    ======  ====  =========================================================

Sealed document (index, snapshot, intent, plan, record)
    header ‖ segment 0. Its plain bytes: 1 byte algorithm (0 stored, 1 zstd), 8 bytes plain length, the
    payload.

Pack
    header ‖ one segment for each blob, numbered from 0 ‖ trailer segment, numbered 2^32 - 1 ‖ footer.
    A data pack is closed at 16 MiB or more, the last one of a run may be smaller; a metadata pack at 4 MiB.
    A blob's segment seals its payload: the blob as it is, or compressed, as its record says.
    Footer, 8 bytes: the trailer segment's length (u32, tag included) ‖ ``RGMB``.
    Trailer, plain: ``blobs`` (u32) ‖ ``members`` (u32) ‖ blob records ‖ member records ‖ zeros. The zeros
    bring the object's size up to the next Padmé size, so that sizes tell little; they lie inside the
    sealed trailer: no byte of an object may change unseen.

    Blob record, 48 bytes: id 32 ‖ offset of its segment u32 ‖ length of its segment u32 (tag included) ‖
    plain length u32 ‖ algorithm u8 ‖ zero 3.
    Member record, 28 bytes: hash 16 ‖ number of its blob in this pack u32 ‖ offset in the plain blob u32 ‖
    length u32. Members are the small files bundled in a frame, so that a later run finds them by content.

Ids
    A blob's id is keyed BLAKE3-256 (key ``id_key``) of its plain bytes. A member's hash is the first 16
    bytes of the same function over the file's bytes.

Index shard (a sealed document, stored uncompressed)
    ``packs`` u32 ‖ ``blobs`` u32 ‖ ``members`` u32 ‖ zero u32 ‖ pack names, 16 bytes each, sorted ‖ blob records
    sorted by id ‖ member records sorted by hash. Here a blob record has 52 bytes: as in the pack, with the
    pack's number in this shard (u32) between id and offset; a member's record holds its blob's number in
    this shard. A shard speaks of whole packs: each pack it names is covered in full. The index is a cache of the packs'
    trailers, with nothing of its own: a pack that no shard names is read from its trailer, and an entry whose
    pack the store does not list is ignored.

Catalogue
    A sorted sequence of entries in pages; pages in nodes; one root. Entries are sorted by path with ``/``
    ranked below every other byte, which is the order of a depth-first walk over sorted names. Page
    boundaries depend on paths and sizes alone (``page_ends_after``), so that an unchanged tree gives
    unchanged pages, wherever an entry was inserted before them.

    Plain bytes of a metadata blob: kind u8 (1 page, 2 node, 3 chunk list) ‖ level u8 (0 for pages and
    lists) ‖ zero u16 ‖ ``metadata refs`` u32 ‖ ``data refs`` u32 ‖ the ids ‖ body. The ids stand first
    so that maintenance can mark what is in use without decoding a body.
    A page's body is a MessagePack array of entries, a node's one of page descriptors; the
    arrays' fields are those of ``catalogue.entries`` in their order. Fields may be added at the end
    of an array; readers fill in what is missing.

Snapshot
    A sealed document, ``catalogue`` aside: the fields of ``snapshots.Snapshot``. It is stored last. *Commit order*:
    packs, index, intent, snapshot.

No locks
    See ``protocol``: it states what writers and maintainers do and in which order, and
    ``tests/unit/repository/test_protocol_model.py`` explores every interleaving of it.
"""
