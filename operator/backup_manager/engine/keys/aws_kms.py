"""AWS KMS: the secrets are wrapped by a key that never leaves the service; a door to boto3."""

from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.engine.keys.envelope import SLOT_IS_DAMAGED
from backup_manager.engine.repository.keyring import KeySlot, Parameter, WrappedKey

CONTEXT = ("repositoryId", "epoch")  # the encryption context, which key policies and CloudTrail can name
# At worst some two minutes; KMS answers within milliseconds, and the run as a whole is tried again later.
CALL_LIMITS = Config(
    connect_timeout=10, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)
# Tried again by botocore already. What is not named here, and is no server's fault, will not pass by itself.
PASSING_CODES = frozenset(
    {"ThrottlingException", "DependencyTimeoutException", "KMSInternalException", "LimitExceededException"}
)
CREDENTIAL_CODES = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "SignatureDoesNotMatch"}
    | {"IncompleteSignature", "InvalidSignatureException", "MissingAuthenticationToken", "OptInRequired"}
)
KEY_CODES = {
    "NotFoundException": ("does not exist", "Correct the key's id, its region or the account."),
    "DisabledException": ("is disabled", "Enable the key, or use another key of the repository."),
    "KMSInvalidStateException": (
        "is disabled or about to be deleted",
        "Cancel the key's deletion and enable it, or use another key of the repository.",
    ),
    "InvalidKeyUsageException": ("is not for encryption", "Use a symmetric key for encryption."),
    "AccessDeniedException": (
        "is denied to these credentials, or is not the one that wrapped this slot",
        "Allow kms:Encrypt and kms:Decrypt on the key in its policy or the role's, or name the right key.",
    ),
    "IncorrectKeyException": (
        "is not the one that wrapped this slot",
        "Name the key that wraps the slot.",
    ),
}
KEY_CODES["403"] = KEY_CODES["AccessDeniedException"]  # refused on the way, in a form that is not KMS's
OTHER_KEY_CODES = ("IncorrectKeyException", "AccessDeniedException")


class KeyServiceUnreachableError(KeyUnavailableError):
    """The key service did not answer, or asked to be left alone; trying again can help."""

    retryable = True
    default_solution = (
        "Check the network, the region and the endpoint; nothing was written, the next run tries again."
    )


class _Client(Protocol):
    """What is used of boto3's client."""

    def encrypt(self, **arguments: object) -> Mapping[str, object]:
        """See the KMS API."""
        ...

    def decrypt(self, **arguments: object) -> Mapping[str, object]:
        """See the KMS API."""
        ...

    def describe_key(self, **arguments: object) -> Mapping[str, Mapping[str, object]]:
        """See the KMS API."""
        ...


class AwsKms:
    """The provider of a KMS key, named by id, ARN or alias; credentials come from the usual AWS chain.

    What was unwrapped is remembered, so that a process makes one call, however often it opens the
    repository. Only the named key is trusted: a ring that somebody replaced by one of his own, wrapped by
    a key of his account, is not accepted. Where an alias was moved to another key since, the slot's own
    key is used if it belongs to the account and region of the alias.
    """

    provider = "aws_kms"

    def __init__(self, key_id: str, *, region: str | None = None, endpoint: str | None = None) -> None:
        self.key_id = key_id
        self._region = region
        self._endpoint = endpoint
        self._client: _Client | None = None
        self._unwrapped: dict[tuple[bytes, str], bytes] = {}

    def __repr__(self) -> str:
        return f"AwsKms({self.key_id!r})"

    def wrap(self, secret: bytes, context: Mapping[str, str]) -> WrappedKey:
        """Return *secret* encrypted by the key; the parameters name the key itself, never an alias."""
        try:
            answer = self._connect().encrypt(
                KeyId=self.key_id, Plaintext=secret, EncryptionContext=_bound(context)
            )
        except (ClientError, BotoCoreError) as err:
            self._raise_ours(err, self.key_id, "create a key slot")
        return WrappedKey({"keyArn": str(answer["KeyId"])}, _bytes(answer["CiphertextBlob"]))

    def unwrap(
        self, parameters: Mapping[str, Parameter], wrapped: bytes, context: Mapping[str, str]
    ) -> bytes:
        """Return the secret.

        Raises:
            KeyUnavailableError: the key is absent, disabled or denied, or is not the one of this slot.
            KeyServiceUnreachableError: KMS did not answer.
        """
        remembered = (wrapped, context["repositoryId"])
        if remembered not in self._unwrapped:
            self._unwrapped[remembered] = self._decrypt(str(parameters.get("keyArn", "")), wrapped, context)
        return self._unwrapped[remembered]

    def accepts(self, slot: KeySlot) -> bool:
        """Whether the slot may be this key's; which key an alias means, only the service can tell."""
        recorded = str(slot.parameters.get("keyArn", ""))
        same = recorded.rpartition("/")[2] == self.key_id.rpartition("/")[2]
        return slot.provider == self.provider and (same or self._is_alias)

    @property
    def _is_alias(self) -> bool:
        return self.key_id.rpartition(":")[2].startswith("alias/")

    def _decrypt(self, recorded: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        doing = f"open key slot {context.get('slot')}"
        if recorded and recorded != self.key_id:
            doing += f", which {recorded} wraps,"

        def decrypt_with(key_id: str) -> bytes:
            answer = self._connect().decrypt(
                KeyId=key_id, CiphertextBlob=wrapped, EncryptionContext=_bound(context)
            )
            return _bytes(answer["Plaintext"])

        try:
            return decrypt_with(self.key_id)
        except (ClientError, BotoCoreError) as err:
            if _code(err) not in OTHER_KEY_CODES or not self._alias_was_moved_from(recorded):
                self._raise_ours(err, self.key_id, doing)
        try:
            return decrypt_with(recorded)
        except (ClientError, BotoCoreError) as err:
            self._raise_ours(err, recorded, doing)

    def _alias_was_moved_from(self, recorded: str) -> bool:
        if not self._is_alias:
            return False
        try:
            now = str(self._connect().describe_key(KeyId=self.key_id)["KeyMetadata"]["Arn"])
        except (ClientError, BotoCoreError):
            return False  # the first error tells more
        return now != recorded and now.rpartition(":")[0] == recorded.rpartition(":")[0]

    def _connect(self) -> _Client:
        if self._client is None:
            # A session of its own: the default one is shared, not safe for threads, and keeps credentials.
            make: Callable[..., _Client] = boto3.Session().client
            self._client = make(
                "kms", region_name=self._region, endpoint_url=self._endpoint, config=CALL_LIMITS
            )
        return self._client

    def _raise_ours(self, err: Exception, key_id: str, doing: str) -> NoReturn:
        at = self._endpoint or self._region or "AWS"
        start = f"cannot {doing} with KMS key {key_id!r} at {at}"
        code = _code(err)
        if isinstance(err, (NoCredentialsError, NoRegionError)):
            solution = "Provide AWS credentials and a region (AWS_REGION, or the encryption's `region`)."
            raise KeyUnavailableError(f"{start}: {err}", solution=solution) from err
        if isinstance(err, (HTTPClientError, NoConnectionError)) or _is_passing(err, code):
            raise KeyServiceUnreachableError(f"{start}: unreachable: {err}") from err
        if code == "InvalidCiphertextException":
            facts = f"{start}: the slot is damaged, or belongs to another repository"
            raise KeyUnavailableError(facts, solution=SLOT_IS_DAMAGED) from err
        if code in CREDENTIAL_CODES:
            solution = "Correct or renew the AWS credentials."
            raise KeyUnavailableError(
                f"{start}: AWS refused the credentials ({code})", solution=solution
            ) from err
        observed, solution = KEY_CODES.get(code, (f"cannot be used: {err}", "Check the key and its policy."))
        raise KeyUnavailableError(f"{start}: the key {observed} ({code})", solution=solution) from err


def _bound(context: Mapping[str, str]) -> dict[str, str]:
    return {name: context[name] for name in CONTEXT}


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise KeyUnavailableError("KMS answered with something else than bytes")
    return value


def _code(err: Exception) -> str:
    if not isinstance(err, ClientError):
        return type(err).__name__
    return str(err.response.get("Error", {}).get("Code", ""))


def _is_passing(err: Exception, code: str) -> bool:
    if not isinstance(err, ClientError):
        return False
    status = int(err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status >= 500 or code in PASSING_CODES
