"""Files brought back: a stream of catalogue entries becomes a tree below one directory.

Three ways in: ``plan.plan_restore`` says what would happen, ``restore.restore`` does it inside a destination
that ``destination.open_destination`` has claimed, ``compare.compare`` reads everything again.

What holds for all of them
    Nothing outside the destination is ever touched, whatever names the backup holds and whatever links lie in
    the destination. Every call names one component relative to the descriptor of its folder; folders are
    opened one component at a time and never through a link; what is in the way of a file is unlinked, never
    opened for writing. Names such as ``..`` are refused as corrupt data.

    The stream comes in the catalogue's order, depth first, and is never held as a whole: files are gathered
    in windows of bounded size, whose blobs arrive in the order of their packs and are written as they arrive.
    A folder's own mode and times are set when everything below it is done.

    A file's modification time is set last, so that a file with the right one is complete. After a kill, the
    next restore of the same request finds its state file at the destination's root and goes on.
"""
