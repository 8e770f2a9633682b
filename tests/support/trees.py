"""A directory tree with everything that a file system can hold, and a comparison of two trees.

Both use descriptors and nothing of the product, so that they can bear witness against it.
"""

import contextlib
import errno
import os
import random
import socket
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields

MIB = 1024 * 1024
HOLE_GRAIN = 64 * 1024  # shorter holes may be filled by a restore
IS_ROOT = os.geteuid() == 0
LONG_NAME = b"n" * 255
DEEP_LEVELS = 70
LONG_LEVELS = 20
LONG_COMPONENT = b"long" * 55  # 20 * 221 bytes: beyond PATH_MAX
ODD_NAMES = (
    b"new\nline",
    b"tab\tbell\x07escape\x1b[31m",
    b"not utf-8 \xff\xfe\xe9",
    b" leading and trailing ",
    b"-rf",
    b"*?[a]!#",
    b"back\\slash",
    b"quote'\"`$HOME",
    "composed \u00e9".encode(),
    "decomposed e\u0301".encode(),
    "right-to-left \u202e gnp.exe".encode(),
    b"Case",
    b"case",
    b"a",
    b"a-b",
    b"a.b",
    b"a0",
    b"...",
    b"~",
    b"CON",
    LONG_NAME,
)
TIMES_NS = (0, -1, -1_000_000_001, 1, 999_999_999, 1_700_000_000_123_456_789, 4_102_444_800_000_000_001)
# version 2, then (tag, permissions, id): owner rwx, user 1234 r-x, group r--, mask r-x, others ---
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in (
        (1, 7, 0xFFFFFFFF),
        (2, 5, 1234),
        (4, 4, 0xFFFFFFFF),
        (16, 5, 0xFFFFFFFF),
        (32, 0, 0xFFFFFFFF),
    )
)


def build_hostile_tree(root: bytes, *, seed: int = 1) -> None:
    """Make the directory *root* with one of everything; as root also owners, devices and capabilities."""
    os.makedirs(root)
    noise = random.Random(seed)
    for part in (_contents, _names, _links, _holes, _depths, _specials, _attributes, _modes, _times):
        directory = os.path.join(root, part.__name__.strip("_").encode())
        os.mkdir(directory)
        part(directory, noise)
    os.utime(root, ns=(0, 1_600_000_000_987_654_321))


def write(path: bytes, content: bytes = b"") -> None:
    with open(path, "wb") as file:
        file.write(content)


def _contents(root: bytes, noise: random.Random) -> None:
    for size in (0, 1, 511, 4096, 65_535, 262_144, 262_145, 3 * MIB + 7):
        write(b"%s/noise-%d" % (root, size), noise.randbytes(size))
    write(root + b"/zeros", bytes(2 * MIB))
    write(root + b"/text", b"the same line again and again\n" * 40_000)
    for number in range(40):
        os.makedirs(b"%s/small/%d" % (root, number % 4), exist_ok=True)
        write(b"%s/small/%d/%d" % (root, number % 4, number), noise.randbytes(number * 37 % 4000))
        write(b"%s/small/%d/equal-%d" % (root, number % 4, number), b"equal content")
    os.mkdir(root + b"/empty directory")


def _names(root: bytes, noise: random.Random) -> None:
    for name in ODD_NAMES:
        os.mkdir(root + b"/" + name)
        write(root + b"/" + name + b"/" + name, name)
    for name in (b"file", b"file ", b"file\n", b"FILE"):
        write(root + b"/" + name, name)


def _links(root: bytes, noise: random.Random) -> None:
    write(root + b"/one", b"linked")
    os.mkdir(root + b"/other")
    for name in (b"/two", b"/other/three"):
        os.link(root + b"/one", root + name)
    write(root + b"/large one", noise.randbytes(MIB))
    os.link(root + b"/large one", root + b"/large two")
    targets = (
        b"one",
        b"nowhere",
        b"/etc/hostname",
        b"../links",
        b"loop",
        b"not utf-8 \xff",
        b"t" * 4000,
        b".",
    )
    for number, target in enumerate(targets):
        os.symlink(target, b"%s/symlink %d" % (root, number))
    os.symlink(b"loop", root + b"/loop")
    os.link(root + b"/loop", root + b"/loop again", follow_symlinks=False)


def _holes(root: bytes, noise: random.Random) -> None:
    layouts: dict[bytes, tuple[int, ...]] = {
        b"start": (4 * MIB,),
        b"end": (0,),
        b"both sides": (2 * MIB,),
        b"many": tuple(range(0, 6 * MIB, MIB)),
        b"none but hole": (),
    }
    for name, offsets in layouts.items():
        with open(root + b"/" + name, "wb") as file:
            for offset in offsets:
                file.seek(offset)
                file.write(noise.randbytes(HOLE_GRAIN))
            file.truncate(6 * MIB if name != b"start" else 4 * MIB + HOLE_GRAIN)
    with open(root + b"/small", "wb") as file:
        file.truncate(100_000)


def _depths(root: bytes, noise: random.Random) -> None:
    _make_deep(root, [b"d%d" % level for level in range(DEEP_LEVELS)])
    _make_deep(root, [LONG_COMPONENT + b"%d" % (level % 10) for level in range(LONG_LEVELS)])


def _make_deep(root: bytes, names: list[bytes]) -> None:
    """Make one directory in the other, with a file, a link and an attribute in the last."""
    current = os.open(root, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=current)
        deeper = os.open(name, os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = deeper
    file = os.open(b"bottom", os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=current)
    os.write(file, b"at the bottom")
    os.close(file)
    with contextlib.suppress(OSError):
        os.setxattr(b"/proc/self/fd/%d/bottom" % current, b"user.deep", b"down")
    os.symlink(b"bottom", b"link", dir_fd=current)
    os.close(current)


def _specials(root: bytes, noise: random.Random) -> None:
    os.mkfifo(root + b"/fifo", 0o620)
    with socket.socket(socket.AF_UNIX) as listener, _inside(root):
        listener.bind(b"socket")
    if IS_ROOT:
        os.mknod(root + b"/character", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(root + b"/block", 0o660 | stat.S_IFBLK, os.makedev(240, 70_000))


def _attributes(root: bytes, noise: random.Random) -> None:
    write(root + b"/file", b"with attributes")
    os.mkdir(root + b"/directory")
    os.symlink(b"file", root + b"/symlink")
    plain = {
        b"user.plain": b"value",
        b"user.empty": b"",
        b"user.binary": bytes(range(256)),
        b"user.\xff": b"\0",
    }
    for name, value in plain.items():
        _set(root + b"/file", name, value)
        _set(root + b"/directory", name, value)
    _set(root + b"/file", b"system.posix_acl_access", ACL)
    _set(root + b"/directory", b"system.posix_acl_access", ACL)
    _set(root + b"/directory", b"system.posix_acl_default", ACL)
    if IS_ROOT:
        _set(root + b"/file", b"trusted.secret", b"for root")
        _set(root + b"/symlink", b"trusted.link", b"of the link itself")
        # cap_net_bind_service, revision 2
        _set(root + b"/file", b"security.capability", struct.pack("<5I", 0x02000000, 0x400, 0, 0, 0))


def _set(path: bytes, name: bytes, value: bytes) -> None:
    """Set an attribute, unless the file system has none of that kind."""
    try:
        os.setxattr(path, name, value, follow_symlinks=False)
    except OSError as err:
        if err.errno not in (errno.ENOTSUP, errno.EPERM, errno.EINVAL):
            raise


def _modes(root: bytes, noise: random.Random) -> None:
    for number, mode in enumerate((0o600, 0o777, 0o444, 0o4755, 0o2755, 0o1644, 0o6711)):
        path = b"%s/file-%04o" % (root, mode)
        write(path, b"%o" % mode)
        if IS_ROOT:
            os.chown(path, 1000 + number, 2_000_000_000 + number)
        os.chmod(path, mode)
    for mode in (0o700, 0o1777, 0o2775, 0o555):
        path = b"%s/directory-%04o" % (root, mode)
        os.mkdir(path)
        write(path + b"/inside", b"inside")
        os.chmod(path, mode)
    if IS_ROOT:
        os.symlink(b"nobody", root + b"/owned link")
        os.lchown(root + b"/owned link", 4242, 4343)
        write(root + b"/no permission", b"root reads it")
        os.chmod(root + b"/no permission", 0)


def _times(root: bytes, noise: random.Random) -> None:
    for number, time in enumerate(TIMES_NS):
        write(b"%s/file %d" % (root, number), b"%d" % time)
        os.utime(b"%s/file %d" % (root, number), ns=(time, time))
    os.symlink(b"file 0", root + b"/symlink")
    os.utime(root + b"/symlink", ns=(5, 1_234_567_890_123_456_789), follow_symlinks=False)
    os.mkdir(root + b"/directory")
    write(root + b"/directory/younger", b"younger than its directory")
    os.utime(root + b"/directory", ns=(7, 1_000_000_000_000_000_001))


@contextlib.contextmanager
def _inside(root: bytes) -> Iterator[None]:
    """Stand in *root*: the path of a socket may have 108 bytes only."""
    before = os.open(b".", os.O_RDONLY)
    os.chdir(root)
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about one entry that a restore must bring back."""

    kind: str
    mode: int
    owner: tuple[int, int]
    size: int
    mtime_ns: int
    content: bytes
    device: int
    xattrs: tuple[tuple[bytes, bytes], ...]
    holes: tuple[tuple[int, int], ...]


def compare_trees(first: bytes, second: bytes, *, ignore: frozenset[str] = frozenset()) -> list[str]:
    """Return the differences of two trees, sorted, one line each; empty if they are equal.

    Compared are the sets of names and all of :class:`Facts` but the fields named in *ignore*, and which
    names are hard links of each other (``"links"`` may be ignored too). Neither atime nor ctime is.
    """
    one, one_links = describe_tree(first)
    two, two_links = describe_tree(second)
    lines = [f"{_short(path)}: only in the first" for path in one.keys() - two.keys()]
    lines += [f"{_short(path)}: only in the second" for path in two.keys() - one.keys()]
    for path in one.keys() & two.keys():
        for field in fields(Facts):
            left, right = getattr(one[path], field.name), getattr(two[path], field.name)
            if left != right and field.name not in ignore:
                lines.append(f"{_short(path)}: {field.name} is {_short(left)} and {_short(right)}")
    if "links" not in ignore:
        lines += [f"{_short(sorted(group))}: hard links differ" for group in one_links ^ two_links]
    return sorted(lines)


def describe_tree(root: bytes) -> tuple[dict[bytes, Facts], set[frozenset[bytes]]]:
    """Return the facts of every entry by its path below *root* (itself ``b"."``), and the hard links."""
    found: dict[bytes, Facts] = {}
    inodes: dict[tuple[int, int], set[bytes]] = {}

    def visit(parent: int, name: bytes, path: bytes) -> None:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        found[path] = _facts(parent, name, status)
        if stat.S_ISDIR(status.st_mode):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
            for child in os.listdir(b"/proc/self/fd/%d" % descriptor):
                visit(descriptor, child, child if path == b"." else path + b"/" + child)
            os.close(descriptor)
        elif status.st_nlink > 1:
            inodes.setdefault((status.st_dev, status.st_ino), set()).add(path)

    descriptor = os.open(root, os.O_RDONLY)
    visit(descriptor, b".", b".")
    os.close(descriptor)
    return found, {frozenset(group) for group in inodes.values() if len(group) > 1}


def _facts(parent: int, name: bytes, status: os.stat_result) -> Facts:
    path = b"/proc/self/fd/%d/%s" % (parent, name)
    content = b""
    holes: tuple[tuple[int, int], ...] = ()
    if stat.S_ISREG(status.st_mode):
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
        with open(descriptor, "rb") as file:
            content = file.read()
            holes = _holes_of(file.fileno(), status)
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    names = sorted(map(os.fsencode, os.listxattr(path, follow_symlinks=False)))
    return Facts(
        kind=stat.filemode(status.st_mode)[0],
        mode=stat.S_IMODE(status.st_mode),
        owner=(status.st_uid, status.st_gid),
        size=status.st_size if not stat.S_ISDIR(status.st_mode) else 0,
        mtime_ns=status.st_mtime_ns,
        content=content,
        device=status.st_rdev,
        xattrs=tuple((key, os.getxattr(path, key, follow_symlinks=False)) for key in names),
        holes=holes,
    )


def _holes_of(descriptor: int, status: os.stat_result) -> tuple[tuple[int, int], ...]:
    """Return the holes that are long enough to be worth keeping."""
    holes = []
    position = 0
    while position < status.st_size:
        start = os.lseek(descriptor, position, os.SEEK_HOLE)
        end = _next_data(descriptor, start, status.st_size)
        if end - start > HOLE_GRAIN and start < status.st_size:
            holes.append((start, end))
        position = end
    return tuple(holes)


def _next_data(descriptor: int, start: int, end: int) -> int:
    try:
        return os.lseek(descriptor, start, os.SEEK_DATA)
    except OSError as err:
        if err.errno != errno.ENXIO:
            raise
        return end


def _short(value: object) -> str:
    text = repr(value)
    return (
        text
        if len(text) <= 80
        else f"{text[:60]}… ({len(text)} characters, crc {zlib.crc32(text.encode()):08x})"
    )
