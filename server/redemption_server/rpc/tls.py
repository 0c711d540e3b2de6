"""TLS of the gRPC listener: certificates that may be replaced while it listens."""

import ssl
from pathlib import Path
from typing import NamedTuple

import grpc
import structlog

_log = structlog.get_logger(__name__)


class TlsFilesError(Exception):
    """Certificate, key or certificate authorities cannot be used; the message says why."""


class TlsFiles(NamedTuple):
    """PEM files. With `client_ca` each client must have a certificate that it has signed."""

    certificate: Path
    key: Path
    client_ca: Path | None

    def check(self) -> None:
        """Raises TlsFilesError unless they can be read and belong together."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
        except OSError as error:
            # Of these files only the names are told.
            names = ", ".join(str(file) for file in self if file)
            problem = error.strerror or "not PEM"
            reason = getattr(error, "reason", "") or problem
            raise TlsFilesError(f"cannot use the TLS files {names}: {reason}") from error


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that follow their files: a handshake uses what the files hold by then.

    Raises TlsFilesError.
    """
    files.check()
    certificates = _Certificates(files)
    return grpc.dynamic_ssl_server_credentials(
        certificates.configuration,
        # It may return None, whatever its type says.
        certificates.changed,  # type: ignore[arg-type]
        require_client_authentication=files.client_ca is not None,
    )


class _Certificates:
    """Looks at the files at each handshake, on a thread of gRPC's."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = self._stamps()
        self.configuration = self._read()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new configuration if the files have changed, else None."""
        try:
            stamp = self._stamps()
            if stamp == self._stamp:
                return None
            self._files.check()
            self.configuration = self._read()
        except (OSError, TlsFilesError) as error:
            # Halfway through being replaced: the known certificate stays.
            _log.error("TLS files cannot be read, the known ones are kept", error=str(error))
            return None
        self._stamp = stamp
        _log.info("TLS files read again")
        return self.configuration

    def _stamps(self) -> list[tuple[int, int]]:
        found = [file.stat() for file in self._files if file]
        return [(stat.st_ino, stat.st_mtime_ns) for stat in found]

    def _read(self) -> grpc.ServerCertificateConfiguration:
        ca = self._files.client_ca
        return grpc.ssl_server_certificate_configuration(
            [(self._files.key.read_bytes(), self._files.certificate.read_bytes())],
            root_certificates=ca.read_bytes() if ca else None,
        )
