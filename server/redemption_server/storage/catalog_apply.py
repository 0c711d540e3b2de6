"""Applies a checked catalog in one transaction: replaces what is mentioned, leaves all else."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from redemption.v1 import catalog_pb2
from sqlalchemy import Connection, select

from redemption_server.rules.facts import CouponSeries, Promotion
from redemption_server.rules.refusals import Refused, Violation, field_invalid
from redemption_server.storage import catalog_paths as paths
from redemption_server.storage import catalog_rows
from redemption_server.storage.catalog_counters import rebuild_promotion, rebuild_series
from redemption_server.storage.catalog_references import check_keys, check_references
from redemption_server.storage.catalog_tables import (
    CouponRow,
    CouponSeriesRow,
    CredentialOrganizationRow,
    CredentialRow,
    CustomerRow,
    EarnedPromotionRow,
    OrganizationRow,
    ProductRow,
    PromotionCodeRow,
    PromotionRow,
    TillRow,
    WebhookRow,
)
from redemption_server.storage.coupon_facts import series_of
from redemption_server.storage.credential_changes import CredentialChange, membership_changes
from redemption_server.storage.dialect import (
    allow_pauses,
    delete_rows,
    insert_rows,
    table_of,
)
from redemption_server.storage.promotion_facts import promotion_of
from redemption_server.storage.webhooks import begin_webhooks

_organization = table_of(OrganizationRow)
_credential = table_of(CredentialRow)
_credential_organization = table_of(CredentialOrganizationRow)
_promotion = table_of(PromotionRow)
_series = table_of(CouponSeriesRow)
_webhook = table_of(WebhookRow)

_REPLACED: tuple[tuple[Any, Callable[[catalog_pb2.Organization], list[Any]]], ...] = (
    (table_of(TillRow), catalog_rows.till_rows),
    (_credential_organization, catalog_rows.credential_organization_rows),
    (table_of(ProductRow), catalog_rows.product_rows),
    (_promotion, catalog_rows.promotion_rows),
    (table_of(PromotionCodeRow), catalog_rows.promotion_code_rows),
    (table_of(EarnedPromotionRow), catalog_rows.earned_promotion_rows),
    (_series, catalog_rows.coupon_series_rows),
    (table_of(CouponRow), catalog_rows.coupon_rows),
)
_REPLACE_HASH = "ON CONFLICT (key) DO UPDATE SET secret_hash = excluded.secret_hash"


@dataclass(frozen=True, slots=True)
class ApplyCatalog:
    """The work of applying a catalog.

    `secret_hashes` holds, by credential key, the hash to store. With `foreign_secrets_fixed` a
    credential that also belongs to an organisation outside the catalog keeps its secret.
    `sealed_secrets` are those of webhooks, by organisation and id.
    """

    catalog: catalog_pb2.Catalog
    secret_hashes: Mapping[str, str]
    foreign_secrets_fixed: bool
    sealed_secrets: Mapping[tuple[int, str], bytes] = field(default_factory=dict)

    def __call__(self, connection: Connection) -> list[CredentialChange]:
        """Applies it; returns what changed about credentials.

        Raises Refused (FIELD_INVALID) with everything that does not fit.
        """
        # A large catalog is reckoned in Python for longer than a batch may stand still.
        allow_pauses(connection)
        organizations = sorted(
            paths.indexed("catalog.organizations", self.catalog.organizations),
            key=lambda item: item[1].id,
        )
        if self.foreign_secrets_fixed:
            refuse_foreign_keys(connection, self.catalog)
        violations: list[Violation] = []
        changes: list[CredentialChange] = []
        for path, organization in organizations:
            violations += _apply_organization(connection, organization, path, changes)
            rows = catalog_rows.webhook_rows(organization, self.sealed_secrets)
            _replace(connection, _webhook, rows)
            # Here, where no event is recorded meanwhile.
            begin_webhooks(connection, organization.id, [w.id for w in organization.webhooks])
        violations += self._apply_secrets(connection, changes)
        if violations:
            # Raising rolls back what was applied so far.
            raise Refused(violations)
        return changes

    def _apply_secrets(
        self, connection: Connection, changes: list[CredentialChange]
    ) -> list[Violation]:
        stored = _lock_hashes(connection, self.secret_hashes)
        violations = []
        for path, organization in paths.indexed(
            "catalog.organizations", self.catalog.organizations
        ):
            for item_path, credential in paths.indexed(
                f"{path}.credentials", organization.credentials
            ):
                changed = stored[credential.key] != self.secret_hashes[credential.key]
                if changed and self._is_fixed(connection, credential):
                    problem = "differs from the one that the key has in other organisations"
                    violations.append(field_invalid(f"{item_path}.secret", problem))
        changes += [
            CredentialChange(key, None, "secret changed")
            for key, secret_hash in sorted(self.secret_hashes.items())
            if stored[key] != secret_hash
        ]
        insert_rows(connection, _credential, sorted(self.secret_hashes.items()), _REPLACE_HASH)
        return violations

    def _is_fixed(self, connection: Connection, credential: catalog_pb2.Credential) -> bool:
        """Whether organisations outside the catalog share the credential and keep its secret."""
        if not self.foreign_secrets_fixed:
            return False
        mentioned = {organization.id for organization in self.catalog.organizations}
        return bool(_organizations_of(connection, credential.key) - mentioned)


@dataclass(frozen=True, slots=True)
class ApplyCatalogs:
    """The work of applying several catalogs, all or none; each has the name of its source."""

    works: Sequence[tuple[str, ApplyCatalog]]

    def __call__(self, connection: Connection) -> list[CredentialChange]:
        """Applies them in order; returns what changed about credentials. Raises CatalogRefused."""
        changes = []
        for source, work in self.works:
            try:
                changes += work(connection)
            except Refused as refused:
                raise CatalogRefused(source, refused.violations) from refused
        return changes


class CatalogRefused(Refused):
    """A catalog does not fit; `source` names which one."""

    def __init__(self, source: str, violations: Sequence[Violation]) -> None:
        super().__init__(violations)
        self.source = source


def refuse_foreign_keys(connection: Connection, catalog: catalog_pb2.Catalog) -> None:
    """Raises Refused when credentials belong to other organisations, but not to their own.

    Whatever secret comes with them: who could try secrets here would be slowed down by nobody.
    """
    violations = []
    for path, organization in paths.indexed("catalog.organizations", catalog.organizations):
        for item_path, credential in paths.indexed(f"{path}.credentials", organization.credentials):
            owners = _organizations_of(connection, credential.key)
            if owners and organization.id not in owners:
                problem = "belongs to another organisation"
                violations.append(field_invalid(f"{item_path}.key", problem))
    if violations:
        raise Refused(violations)


def _lock_hashes(connection: Connection, hashes: Mapping[str, str]) -> dict[str, str]:
    """The hashes that the keys have, new ones included, kept from changing.

    Keys have no organisation whose row would be held: inserting first makes a second catalog with
    the same new key wait, and see in the statement after it what the first one stored.
    """
    insert_rows(connection, _credential, sorted(hashes.items()), "ON CONFLICT DO NOTHING")
    rows = connection.execute(
        select(_credential)
        .where(_credential.c.key.in_(sorted(hashes)))
        .order_by(_credential.c.key)
        .with_for_update()
    )
    return {row.key: row.secret_hash for row in rows}


def _organizations_of(connection: Connection, key: str) -> set[int]:
    rows = connection.execute(
        select(_credential_organization.c.org_id).where(
            _credential_organization.c.credential_key == key
        )
    )
    return set(rows.scalars())


def _apply_organization(
    connection: Connection,
    organization: catalog_pb2.Organization,
    path: str,
    changes: list[CredentialChange],
) -> list[Violation]:
    org_id = organization.id
    zone_before = _put_organization(connection, organization)
    changes += membership_changes(connection, organization)
    settings = catalog_rows.organization_settings(organization)
    zone = ZoneInfo(settings["time_zone"])
    violations = list(check_keys(connection, organization, path, settings["region"]))
    if violations:
        return violations
    promotions_before, series_before = (
        _promotions(connection, org_id),
        _series_by_id(connection, org_id),
    )
    for table, rows_of in _REPLACED:
        _replace(connection, table, rows_of(organization))
    _replace(
        connection,
        table_of(CustomerRow),
        catalog_rows.customer_rows(organization, settings["region"]),
    )
    for promotion in _promotions(connection, org_id).values():
        before = promotions_before.get(promotion.id)
        if before:
            rebuild_promotion(connection, org_id, (before, zone_before or zone), (promotion, zone))
    for series in _series_by_id(connection, org_id).values():
        was = series_before.get(series.id)
        if was and was != series:
            rebuild_series(connection, org_id, was, series)
    return list(check_references(connection, organization, path))


def _put_organization(
    connection: Connection, organization: catalog_pb2.Organization
) -> ZoneInfo | None:
    """Inserts or changes the organisation's row, held alone; returns the zone it had."""
    settings = catalog_rows.organization_settings(organization)
    stored = connection.execute(
        select(_organization).where(_organization.c.id == organization.id).with_for_update()
    ).one_or_none()
    if stored is None:
        insert = _organization.insert().values(
            id=organization.id,
            page_token_key=secrets.token_bytes(32),
            catalog_version=1,
            **settings,
        )
        connection.execute(insert)
        return None
    connection.execute(
        _organization.update()
        .where(_organization.c.id == organization.id)
        .values(catalog_version=_organization.c.catalog_version + 1, **settings)
    )
    return ZoneInfo(stored.time_zone)


def _replace(connection: Connection, table: Any, rows: list[Any]) -> None:
    # Delete and insert rather than update: unique values may swap between the mentioned objects.
    keys = len(table.primary_key)
    delete_rows(connection, table, [row[:keys] for row in rows])
    insert_rows(connection, table, rows)


def _promotions(connection: Connection, org_id: int) -> dict[str, Promotion]:
    rows = connection.execute(select(_promotion).where(_promotion.c.org_id == org_id))
    return {row.id: promotion_of(row) for row in rows}


def _series_by_id(connection: Connection, org_id: int) -> dict[int, CouponSeries]:
    rows = connection.execute(select(_series).where(_series.c.org_id == org_id))
    return {row.id: series_of(row) for row in rows}
