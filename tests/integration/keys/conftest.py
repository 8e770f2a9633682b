from tests.support.kms import aws_credentials, kms_server

__all__ = ["aws_credentials", "kms_server"]
