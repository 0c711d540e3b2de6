"""`redemption.v1.LedgerService`."""

from collections.abc import AsyncGenerator

from redemption.v1 import ledger_service_pb2

from redemption_server.access.identity import Access
from redemption_server.rpc.pipeline import Call, StreamMethod
from redemption_server.storage.database import Database
from redemption_server.storage.verify.checks import CHECKS
from redemption_server.storage.verify.findings import Finding

SERVICE = "redemption.v1.LedgerService"

_Request = ledger_service_pb2.VerifyLedgerRequest
_Response = ledger_service_pb2.VerifyLedgerResponse


class LedgerService:
    """Checks that what is recorded agrees with itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def methods(self) -> list[StreamMethod]:
        """The RPCs of the service."""
        return [StreamMethod(f"/{SERVICE}/VerifyLedger", Access.ADMIN, self.verify_ledger)]

    async def verify_ledger(
        self, _request: _Request, call: Call
    ) -> AsyncGenerator[_Response, None]:
        """See the proto."""
        org_id = call.identity.caller.org_id
        async with self._database.snapshot() as connection:
            for completed, check in enumerate(CHECKS, 1):
                findings = await connection.run_sync(check.run, org_id)
                yield _Response(
                    check=check.name,
                    checks_completed=completed,
                    checks_total=len(CHECKS),
                    findings=[_encode(finding) for finding in findings],
                )


def _encode(finding: Finding) -> ledger_service_pb2.LedgerFinding:
    return ledger_service_pb2.LedgerFinding(
        kind=f"LEDGER_FINDING_KIND_{finding.kind.value}",
        subject=finding.subject,
        description=finding.description,
    )
