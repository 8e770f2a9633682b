"""No encryption: the repository's secrets lie in its key ring, in the clear, for whoever reads the store."""

from collections.abc import Mapping

from backup_manager.engine.repository.keyring import NO_ENCRYPTION, KeySlot, Parameter, WrappedKey


class NoEncryption:
    """The provider of ``encryption: {enabled: false}``; every listing of such a repository says so.

    Objects are sealed all the same, which finds damage, but hides nothing from anybody.
    """

    provider = NO_ENCRYPTION

    def wrap(self, secret: bytes, context: Mapping[str, str]) -> WrappedKey:  # noqa: ARG002  # the protocol's
        """Return *secret* as it is."""
        return WrappedKey({}, secret)

    def unwrap(
        self,
        parameters: Mapping[str, Parameter],  # noqa: ARG002
        wrapped: bytes,
        context: Mapping[str, str],  # noqa: ARG002
    ) -> bytes:
        """Return what was wrapped."""
        return wrapped

    def accepts(self, slot: KeySlot) -> bool:
        """Whether the slot holds its secrets in the clear."""
        return slot.provider == self.provider
