"""Files of keys and certificates that interceptors' settings name."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from callgate.interceptors.faults import InterceptorError


def certificates(file: Path) -> bytes:
    """The content of a file with certificates in PEM. Raises InterceptorError."""
    found = content(file)
    try:
        x509.load_pem_x509_certificates(found)
    except ValueError:
        raise InterceptorError(f"{file} holds no certificate in PEM") from None
    return found


def content(file: Path) -> bytes:
    """The content of a file. Raises InterceptorError."""
    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InterceptorError(f"{file} cannot be read ({reason}); correct the path") from None
