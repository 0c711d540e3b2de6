"""TLS of the HTTP listener: certificates that may be replaced while it listens."""

import ssl
import time
from pathlib import Path
from typing import NamedTuple

import structlog

_LOOK_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class TlsFiles(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """A context that follows its files. Raises OSError when they cannot be used."""
    return _Following(files).context


class _Following:
    """Hands each handshake over to a context that holds what the files hold by then."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = self._stamps()
        self._look_at = time.monotonic() + _LOOK_SECONDS
        self._latest = _context(files)
        self.context = _context(files)
        self.context.sni_callback = self._hand_over

    def _hand_over(
        self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            self._read_again()
        connection.context = self._latest

    def _read_again(self) -> None:
        try:
            stamp = self._stamps()
            if stamp == self._stamp:
                return
            self._latest = _context(self._files)
        except OSError as error:
            # Halfway through being replaced: the known certificate stays.
            problem = type(error).__name__
            _log.error("TLS files cannot be read, the known ones are kept", error=problem)
        else:
            self._stamp = stamp
            _log.info("TLS files read again")

    def _stamps(self) -> list[tuple[int, int]]:
        found = [file.stat() for file in self._files]
        return [(stat.st_ino, stat.st_mtime_ns) for stat in found]


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(files.certificate, files.key)
    return context
