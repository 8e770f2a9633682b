"""A configuration file as custom resources, for GitOps.

Secrets become references; the Secrets to create are named in comments and their content is never printed.
What the resources cannot say is a comment too, so that nothing is lost without a word.
"""

from dataclasses import asdict, dataclass, field

from backup_manager.api.documents import (
    Manifest,
    build_policy,
    build_repository,
    camel_case,
    config_map_key_ref,
    line_of,
    render_manifest,
    secret_key_ref,
    secret_ref,
    volume_claim,
    without_absent,
)
from backup_manager.common.errors import NotAvailableError
from backup_manager.common.units import duration_text
from backup_manager.contract.results import Check
from backup_manager.manager.config_model import (
    AwsKmsConfig,
    Configuration,
    FilesSource,
    LocalKeyConfig,
    LocalStore,
    MaintenanceConfig,
    NoEncryptionConfig,
    NotificationsConfig,
    PolicyConfig,
    S3Store,
    Source,
    VerificationConfig,
)

REPOSITORY = "primary"
AWS_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
REPLACE_CLAIM = "replace by the claim that holds these files"


@dataclass(slots=True)
class _Remarks:
    """Comments for the head of a document, and notes for single lines of it."""

    comments: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


def manifests(config: Configuration) -> str:
    """Return the documents of *config*: one ``BackupRepository``, and a ``BackupPolicy`` for each policy.

    Raises:
        NotAvailableError: the storage is a plug-in, which the resources do not have.
    """
    documents = [_repository(config)]
    documents.extend(_policy(policy, config.notifications) for policy in config.policies)
    return "---\n".join(documents)


def _repository(config: Configuration) -> str:
    remarks = _Remarks()
    document = build_repository(
        REPOSITORY,
        storage=_storage(config, remarks),
        compression={
            "algorithm": config.compression.algorithm.capitalize(),
            "level": config.compression.level,
        },
        encryption=_encryption(config, remarks),
        grace_period=duration_text(config.maintenance.grace_seconds),
    )
    if config.maintenance.max_rewrite_bytes != MaintenanceConfig().max_rewrite_bytes:
        remarks.comments.append("maintenance.max_rewrite has no field in the resource and is left out.")
    return render_manifest(document, remarks.comments, remarks.notes)


def _storage(config: Configuration, remarks: _Remarks) -> Manifest:
    store = config.storage
    if isinstance(store, LocalStore):
        claim = f"{REPOSITORY}-repository"
        remarks.notes[line_of("claimName", claim)] = "replace by the claim that is to hold the repository"
        return {"volume": {**volume_claim(claim), "path": "/"}}
    if isinstance(store, S3Store):
        return {"s3": _s3(store, remarks)}
    raise NotAvailableError(
        f"storage type {store.type!r} cannot be written as a BackupRepository",
        solution="Use the storage types s3 or local for what is to run in a cluster.",
    )


def _s3(store: S3Store, remarks: _Remarks) -> Manifest:
    credentials = f"{REPOSITORY}-s3"
    remarks.comments.append(
        f"Create the Secret {credentials!r} with the keys {AWS_KEYS}; "
        "or remove `credentials` to use workload identity."
    )
    bundle = f"{REPOSITORY}-ca"
    if store.ca_bundle is not None:
        remarks.comments.append(
            f"Create the ConfigMap {bundle!r} with the CA certificates as its key 'ca.crt'."
        )
    for key, value in (("storage_class", store.storage_class), ("sse", store.sse)):
        if value is not None:
            remarks.comments.append(f"storage.{key} has no field in the resource and is left out.")
    return without_absent(
        {
            "bucket": store.bucket,
            "prefix": store.prefix or None,
            "region": store.region,
            "endpoint": store.endpoint,
            "forcePathStyle": store.force_path_style,
            "caBundle": config_map_key_ref(bundle, "ca.crt") if store.ca_bundle is not None else None,
            "credentials": secret_ref(credentials),
        }
    )


def _encryption(config: Configuration, remarks: _Remarks) -> Manifest:
    provider = config.encryption
    if isinstance(provider, NoEncryptionConfig):
        remarks.comments.append("Encryption is disabled: whoever reads the store reads the backups.")
        return {"disabled": {}}
    if isinstance(provider, AwsKmsConfig):
        name = f"{REPOSITORY}-kms"
        remarks.comments.append(
            f"Create the Secret {name!r} with the keys {AWS_KEYS}; "
            "or remove `encryption.awsKMS.credentials` to use workload identity."
        )
        store = config.storage
        region = provider.region or (store.region if isinstance(store, S3Store) else None)
        members = {"keyID": provider.key_id, "region": region, "endpoint": provider.endpoint}
        return {"awsKMS": without_absent({**members, "credentials": secret_ref(name)})}
    name = f"{REPOSITORY}-key"
    if isinstance(provider, LocalKeyConfig):
        remarks.comments.append(
            f"Create the Secret {name!r} with the content of the key file as its key 'key'."
        )
    else:
        remarks.comments.append(
            "A passphrase has no field in the resource: add a key file with `sirsinexus backup key add`, and "
            f"create the Secret {name!r} with the file's content as its key 'key'."
        )
    return {"key": secret_key_ref(name, "key")}


def _policy(policy: PolicyConfig, notifications: NotificationsConfig | None) -> str:
    remarks = _Remarks([policy.description] if policy.description else [])
    if notifications is not None:
        remarks.comments.append("notifications are left out: the resource has no field for them yet.")
    schedule = {
        "timeZone": policy.timezone.key,
        "full": policy.schedule.full.text if policy.schedule.full else None,
        "incremental": policy.schedule.incremental.text if policy.schedule.incremental else None,
    }
    counts = {camel_case(key): count for key, count in asdict(policy.retention).items() if count}
    document = build_policy(
        policy.name,
        repository=REPOSITORY,
        sources=[_source(policy, source, remarks) for source in policy.sources],
        schedule=without_absent(schedule),
        retention=counts or None,
        verification=_verification(policy.verification),
    )
    return render_manifest(document, remarks.comments, remarks.notes)


def _source(policy: PolicyConfig, source: Source, remarks: _Remarks) -> Manifest:
    own_name = f"{policy.name}-{source.name}"
    if isinstance(source, FilesSource):
        if source.volume is None:
            remarks.notes[line_of("claimName", own_name)] = REPLACE_CLAIM
        if source.allow_unreadable:
            remarks.comments.append(
                f"{source.name}: allow_unreadable has no field in the resource and is left out."
            )
        members = {
            "volume": volume_claim(source.volume or own_name),
            "paths": list(source.paths),
            "exclude": list(source.exclude) or None,
            "allowEmpty": source.allow_empty or None,
        }
        remarks.notes[line_of("paths")] = "inside the volume"
        return {"name": source.name, "filesystem": without_absent(members)}
    remarks.comments.append(f"Create the Secret {own_name!r} with the connection's URL as its key 'url'.")
    database = {
        "connection": secret_key_ref(own_name, "url"),
        "schemas": list(source.schemas) or None,
        "mode": "Logical",
    }
    return {"name": source.name, "postgresql": without_absent(database)}


def _verification(verification: VerificationConfig) -> Manifest | None:
    if not verification.enabled:
        return None
    sample = {"samplePercent": verification.sample_percent} if verification.sample_percent < 100 else {}
    options: dict[Check, Manifest] = {
        Check.INTEGRITY: sample,
        Check.COMPLETENESS: {},
        Check.SIZE: {"minBytes": verification.min_bytes},
    }
    return without_absent(
        {
            "enabled": True,
            "schedule": verification.schedule.text if verification.schedule else None,
            "checks": [{check.value: options[check]} for check in verification.checks],
            "restoreTest": {"enabled": verification.restore_test},
        }
    )
