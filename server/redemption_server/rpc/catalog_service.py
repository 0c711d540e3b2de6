"""`redemption.v1.CatalogService`."""

from redemption.v1 import catalog_service_pb2

from redemption_server.access.authenticate import Authenticator
from redemption_server.access.identity import Access
from redemption_server.access.seal import Seal
from redemption_server.catalog.apply import apply_catalog
from redemption_server.rpc.pipeline import Call, Method
from redemption_server.rules.reasons import Reason
from redemption_server.rules.refusals import Refused
from redemption_server.storage.database import Database

SERVICE = "redemption.v1.CatalogService"

_Request = catalog_service_pb2.ApplyCatalogRequest
_Response = catalog_service_pb2.ApplyCatalogResponse


class CatalogService:
    """Maintains the catalog of the caller's own organisation."""

    def __init__(self, database: Database, authenticator: Authenticator, seal: Seal | None) -> None:
        self._database = database
        self._seal = seal
        self._authenticator = authenticator

    def methods(self) -> list[Method]:
        """The RPCs of the service."""
        return [Method(f"/{SERVICE}/ApplyCatalog", Access.ADMIN, self.apply_catalog)]

    async def apply_catalog(self, request: _Request, call: Call) -> _Response:
        """See the proto."""
        own = call.identity.caller.org_id
        for organization in request.catalog.organizations:
            if organization.id != own:
                raise Refused.because(
                    Reason.PERMISSION_DENIED,
                    f"The credential acts for organisation {own}, not for {organization.id}",
                    org_id=str(organization.id),
                )
        applied = await apply_catalog(
            self._database,
            request.catalog,
            foreign_secrets_fixed=True,
            by=call.identity.caller.credential_key,
            seal=self._seal,
        )
        self._authenticator.forget()
        return _Response(objects_applied=applied)
