"""Certificates that a test authority signs."""

from pathlib import Path
from typing import NamedTuple

import trustme


class Files(NamedTuple):
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of its own; `file` is its certificate."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._ca = trustme.CA(organization_name=name)
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def server(self, name: str = "server") -> Files:
        """A certificate for this machine, written over the one of the same name."""
        return self._write(self._ca.issue_cert("127.0.0.1", "localhost"), name)

    def client(self, common_name: str) -> Files:
        """A client's certificate whose subject has the common name."""
        issued = self._ca.issue_cert(f"{common_name}.test", common_name=common_name)
        return self._write(issued, common_name)

    def _write(self, issued: trustme.LeafCert, name: str) -> Files:
        files = Files(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        # Whole or not at all, as certificates are replaced.
        for file, content in ((files.key, issued.private_key_pem.bytes()), (files[0], chain)):
            fresh = file.with_suffix(".fresh")
            fresh.write_bytes(content)
            fresh.replace(file)
        return files
