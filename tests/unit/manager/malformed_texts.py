"""Whole texts that are no configuration file, and what their refusal must say."""

SECRET = "hunter2-hunter2"  # the value of the variable SECRET; EMPTY is set to nothing
MINIMAL = """\
backup_manager:
  storage: {type: local, path: ./repository}
  encryption: {enabled: false}
policies:
  files:
    sources: [{type: filesystem, paths: [/data]}]
"""
RAW: list[tuple[str, str, str]] = [  # id, text, what the message must hold
    ("empty", "", "the file"),
    ("only a comment", "# nothing\n", "the file"),
    ("a list", "- a\n", "the file"),
    ("a text", "hello\n", "the file"),
    ("two documents", MINIMAL + "---\n" + MINIMAL, "2 documents"),
    ("a manifest", "apiVersion: v1\nkind: BackupPolicy\n", "manifest"),
    ("tab", "backup_manager:\n\tstorage: {}\n", "line 2, column 1"),
    ("unclosed bracket", "policies: {files: [\n", "line 2"),
    ("unclosed quote", 'policies: "files\n', "line"),
    ("bad indentation", "a: 1\n  b: 2\n", "line 2"),
    ("pattern as alias", MINIMAL + "    description: *tmp\n", "line 7, column 18"),
    ("undefined alias", "policies: *nothing\n", "line 1"),
    ("control character", "policies: \x01\n", "the file"),
    ("NUL", "policies: \0\n", "the file"),
    ("too long", "#" * (1 << 20) + "\n" + MINIMAL, "characters"),
    ("too deep", "a: " + "[" * 10_000, "nesting"),
    ("alias of itself", "policies: &p {files: *p}\nbackup_manager: {}\n", "policies.files"),
    (
        "aliases without end",
        "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 1}]\n" for n in range(9)),
        "aliases",
    ),
    ("tag", "policies: !!python/object:os.system {}\n", "policies"),
    ("set", "policies: !!set {a}\n", "policies"),
    ("own tag", "backup_manager: !secret x\npolicies: {}\n", "backup_manager"),
    (
        "key twice at the top",
        MINIMAL + "policies: {}\n",
        "policies: given twice, in line 4 and again in line 7",
    ),
    ("policy twice", MINIMAL + "  files: {}\n", "policies.files: given twice"),
    (
        "key twice inside",
        MINIMAL.replace("path: ", "path: a, path: "),
        "backup_manager.storage.path: given twice",
    ),
    ("number as key", MINIMAL + "1: x\n", "1 (line 7): unknown key"),
    ("null as key", MINIMAL + "~: x\n", "a key must be text"),
    ("boolean as key", MINIMAL + "true: x\n", "a key must be text"),
    ("list as key", MINIMAL + "? [a]\n: x\n", "a key must be text"),
    ("merge of a text", MINIMAL + "    <<: text\n", "policies.files.'<<' (line 7)"),
    (
        "variable missing",
        MINIMAL.replace("/data", "'${NOT_SET}'"),
        "sources[0].paths[0] (line 6): the environment variable NOT_SET",
    ),
    ("second variable missing", MINIMAL.replace("/data", "'${SECRET}/${NOT_SET}'"), "NOT_SET"),
    ("variable without name", MINIMAL.replace("/data", "'${}'"), "policies.files.sources[0].paths[0]"),
    ("variable not closed", MINIMAL.replace("/data", "'${SECRET'"), "policies.files.sources[0].paths[0]"),
    ("variable with a bad name", MINIMAL.replace("/data", "'${1A}'"), "policies.files.sources[0].paths[0]"),
    ("variable with a default", MINIMAL.replace("/data", "'${A:-b}'"), "policies.files.sources[0].paths[0]"),
    ("empty variable", MINIMAL.replace("/data", "'${EMPTY}'"), "policies.files.sources[0].paths[0]"),
    ("secret as type", MINIMAL.replace("type: local", 'type: "${SECRET}"'), "backup_manager.storage.type"),
    ("secret as boolean", MINIMAL.replace("enabled: false", 'enabled: "${SECRET}"'), "encryption.enabled"),
    ("secret as cron", MINIMAL + '    schedule: {full: "${SECRET}"}\n', "policies.files.schedule.full"),
    (
        "secret as zone",
        MINIMAL + '    schedule: {timezone: "${SECRET}"}\n',
        "policies.files.schedule.timezone",
    ),
    (
        "secret as count",
        MINIMAL + '    retention: {keep_last: "${SECRET}"}\n',
        "policies.files.retention.keep_last",
    ),
    (
        "secret as check",
        MINIMAL + '    verification: {checks: ["${SECRET}"]}\n',
        "policies.files.verification.checks[0]",
    ),
    (
        "password in an endpoint",
        MINIMAL.replace("local, path: ./repository", f"s3, bucket: abc, endpoint: 'http://u:{SECRET}@h'"),
        "backup_manager.storage.endpoint",
    ),
    (
        "password in a wrong connection",
        MINIMAL.replace("filesystem, paths: [/data]", f"postgresql, connection: 'mysql://u:{SECRET}@h'"),
        "policies.files.sources[0].connection",
    ),
    (
        "same source names",
        MINIMAL.replace("[{type", "[{type: filesystem, name: files, paths: [/a]}, {name: files, type"),
        "policies.files.sources[1].name",
    ),
    (
        "default source name taken",
        MINIMAL.replace("[{type", "[{type: filesystem, name: files-2, paths: [/a]}, {type"),
        "policies.files.sources[1].name",
    ),
    *[
        (f"policy name {name}", MINIMAL.replace("  files:", f"  {name!r}:"), "name of a policy")
        for name in ("Files", "my files", "-files", "files_1", "a" * 43, "ä", "files/..", "a..b")
    ],
    ("key of another store", MINIMAL.replace("path:", "bucket: b, path:"), "backup_manager.storage.bucket"),
    (
        "key of another provider",
        MINIMAL.replace("enabled: false", "provider: local, key_id: x"),
        "backup_manager.encryption.key_id",
    ),
    (
        "passphrase without file",
        MINIMAL.replace("enabled: false", "provider: passphrase"),
        "encryption.passphrase_file",
    ),
    ("kms without key", MINIMAL.replace("enabled: false", "provider: aws_kms"), "encryption.key_id"),
    (
        "key beside no encryption",
        MINIMAL.replace("enabled: false", "enabled: false, key_file: k"),
        "encryption.key_file",
    ),
    ("empty encryption", MINIMAL.replace("enabled: false", ""), "backup_manager.encryption.provider"),
]
