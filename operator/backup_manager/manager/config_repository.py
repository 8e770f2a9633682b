"""The repository's part of a configuration: storage, compression, encryption, maintenance, notifications."""

import re
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import urlsplit

from backup_manager.common.errors import UsageError
from backup_manager.common.units import DURATION_ACCEPTED, SIZE_ACCEPTED, parse_duration, parse_size
from backup_manager.manager.config_fields import Block, read_list, read_parsed, read_text, refuse
from backup_manager.manager.config_model import (
    AwsKmsConfig,
    CompressionConfig,
    EncryptionConfig,
    LocalKeyConfig,
    LocalStore,
    MaintenanceConfig,
    NoEncryptionConfig,
    NotificationsConfig,
    Option,
    PassphraseConfig,
    PluginStore,
    S3Store,
    Store,
)
from backup_manager.manager.config_yaml import Node

S3_KEYS = (
    "type", "bucket", "prefix", "region", "endpoint", "force_path_style", "ca_bundle", "storage_class", "sse",
)  # fmt: skip
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]|arn:[^\s]{1,2000}")
REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
SSE = ("AES256", "aws:kms", "aws:kms:dsse")
EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
PROVIDER_KEYS = {
    "local": ("key_file",),
    "passphrase": ("passphrase_file",),
    "aws_kms": ("key_id", "region", "endpoint"),
}
MAX_GRACE_SECONDS = 366 * 86_400
MAX_PREFIX_CHARACTERS = 800  # S3 allows 1,024 bytes with our own names


def decode_storage(node: Node, base: Path, plugins: Collection[str]) -> Store:
    """Return the store that *node* names; *plugins* are the types that are installed."""
    if not isinstance(node.value, dict):
        refuse(node, "a mapping with type and its keys")
    kind = Block(node, node.value).needed_text("type", "local or s3, or an installed plug-in")
    if kind == "local":
        block = Block.open(node, ("type", "path"), what=" of storage type local")
        return LocalStore(needed_path(block, "path", base))
    if kind == "s3":
        return _decode_s3(Block.open(node, S3_KEYS, what=" of storage type s3"), base)
    if kind not in plugins:
        types = ("local", "s3", *sorted(plugins))
        refuse(node.value["type"], f"{' or '.join(types)}, or an installed plug-in of backup_manager.storage")
    options = {key: _option(value) for key, value in node.value.items() if key != "type"}
    return PluginStore(kind, options)


def _option(node: Node) -> Option:
    if not isinstance(node.value, str | bool | int):
        refuse(node, "a text, a whole number, true or false", secret=True)
    return node.value


def _decode_s3(block: Block, base: Path) -> S3Store:
    bucket = block.need("bucket", "the name of a bucket")
    force_path_style = block.get("force_path_style")
    return S3Store(
        bucket=read_parsed(
            bucket, _matching(BUCKET), "the name of a bucket (3 to 255 letters, digits, . _ -)"
        ),
        prefix=block.parsed("prefix", _prefix, "a prefix such as prod/, of plain parts") or "",
        region=block.parsed("region", _matching(REGION), "a region such as us-west-2"),
        endpoint=_endpoint(block),
        force_path_style=None if force_path_style is None else block.boolean("force_path_style", False),
        ca_bundle=optional_path(block, "ca_bundle", base),
        storage_class=block.parsed(
            "storage_class",
            _matching(re.compile("[A-Z][A-Z0-9_]{1,40}")),
            "a storage class such as STANDARD_IA",
        ),
        sse=block.choice("sse", SSE, "") or None,
    )


def _prefix(text: str) -> str:
    parts = text.strip("/").split("/")
    if len(text) > MAX_PREFIX_CHARACTERS or any(part in ("", ".", "..") for part in parts):
        raise UsageError(f"{text!r} is not a prefix such as prod/, of plain parts")
    return text


def _endpoint(block: Block) -> str | None:
    node = block.get("endpoint")
    if node is None:
        return None
    accepted = "a URL such as https://s3.example.com:9000, without user, password, path or query"
    secret = isinstance(node.value, str) and "@" in node.value
    return read_parsed(node, _url_origin, accepted, secret=secret)


def _url_origin(text: str) -> str:
    accepted = "a URL such as https://s3.example.com:9000, without user, password, path or query"
    try:
        url = urlsplit(text)
        fits = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        fits = False
    if not fits or url.username is not None or url.path not in ("", "/") or url.query or url.fragment:
        raise UsageError(f"{text!r} is not {accepted}")
    if re.search(r"\s", text):
        raise UsageError(f"{text!r} is not {accepted}")
    return text


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not pattern.fullmatch(text):
            raise UsageError(f"found the text {text!r}, which does not fit")
        return text

    return parse


def needed_path(block: Block, key: str, base: Path) -> Path:
    """Return the absolute path of *key*, relative to *base*, which must be given."""
    return absolute_path(read_text(block.need(key, "a path"), "a path"), base)


def optional_path(block: Block, key: str, base: Path) -> Path | None:
    """Return the absolute path of *key*, or None."""
    text = block.text(key, "a path")
    return None if text is None else absolute_path(text, base)


def absolute_path(text: str, base: Path) -> Path:
    """Return *text* as a path below *base*, unless it is absolute or begins with ``~``.

    A path with ``..`` is resolved on this machine: what it means depends on the links before it.
    """
    try:
        path = base / Path(text).expanduser()
    except RuntimeError:  # no such user, or no home: then it is a plain name
        path = base / text
    return path.resolve() if ".." in path.parts else path


def decode_compression(node: Node) -> CompressionConfig:
    """Return how new blobs are compressed."""
    block = Block.open(node, ("algorithm", "level"))
    return CompressionConfig(block.choice("algorithm", ("zstd",), "zstd"), block.integer("level", 3, 1, 22))


def decode_encryption(node: Node, base: Path) -> EncryptionConfig:
    """Return the key provider; nothing is assumed: either it is named, or ``enabled: false`` is said."""
    every = ("enabled", "provider", *(key for keys in PROVIDER_KEYS.values() for key in keys))
    block = Block.open(node, every)
    enabled = block.boolean("enabled", True)
    providers = tuple(PROVIDER_KEYS)
    if not enabled and block.get("provider") is None:
        Block.open(node, ("enabled",), what=" beside enabled: false")
        return NoEncryptionConfig()
    block.need("provider", f"{' or '.join(providers)}, or enabled: false")
    provider = block.choice("provider", providers, "")
    block = Block.open(
        node, ("enabled", "provider", *PROVIDER_KEYS[provider]), what=f" of provider {provider}"
    )
    config = _decode_provider(provider, block, base)
    return config if enabled else NoEncryptionConfig()


def _decode_provider(provider: str, block: Block, base: Path) -> EncryptionConfig:
    if provider == "local":
        return LocalKeyConfig(needed_path(block, "key_file", base))
    if provider == "passphrase":
        return PassphraseConfig(needed_path(block, "passphrase_file", base))
    return AwsKmsConfig(
        key_id=block.needed_text("key_id", "the id, ARN or alias/NAME of a key"),
        region=block.parsed("region", _matching(REGION), "a region such as us-west-2"),
        endpoint=_endpoint(block),
    )


def decode_maintenance(node: Node) -> MaintenanceConfig:
    """Return the limits of maintenance."""
    block = Block.open(node, ("grace", "max_rewrite"))
    default = MaintenanceConfig()
    grace = block.parsed("grace", _grace, f"{DURATION_ACCEPTED}, at most a year")
    rewrite = block.get("max_rewrite")
    if rewrite is None:
        size = default.max_rewrite_bytes
    elif isinstance(rewrite.value, int) and not isinstance(rewrite.value, bool) and rewrite.value >= 0:
        size = rewrite.value
    else:
        size = read_parsed(rewrite, parse_size, SIZE_ACCEPTED)
    return MaintenanceConfig(default.grace_seconds if grace is None else grace, size)


def _grace(text: str) -> float:
    seconds = parse_duration(text)
    if seconds > MAX_GRACE_SECONDS:
        raise UsageError(f"{text!r} is longer than a year; accepted: {DURATION_ACCEPTED}")
    return seconds


def decode_notifications(node: Node) -> NotificationsConfig:
    """Return who is to be told."""
    block = Block.open(node, ("email", "slack_webhook"))
    email = block.get("email")
    addresses = () if email is None else read_list(email, "e-mail addresses")
    accepted = "an e-mail address such as admin@example.com"
    webhook = block.get("slack_webhook")
    return NotificationsConfig(
        email=tuple(read_parsed(item, _matching(EMAIL), accepted) for item in addresses),
        slack_webhook=None
        if webhook is None
        else read_parsed(webhook, _webhook, "a URL that begins with https://", secret=True),
    )


def _webhook(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+/\S*", text):
        raise UsageError("not a URL")
    return text
