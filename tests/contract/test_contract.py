"""The protos, the code and the tests say the same."""

import ast
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from redemption.v1 import error_reason_pb2
from redemption_gateway.coupon_items import ITEMS
from redemption_gateway.errors import HTTP_STATUSES
from redemption_gateway.routes import make_routes
from redemption_server.rpc.server import SERVICES
from redemption_server.rpc.status import STATUS_CODES
from redemption_server.rules.reasons import Reason

TESTS = Path(__file__).parent.parent

# Reasons that only a coupon can have: they stand in the table of items instead.
ITEM_ONLY = {
    reason.value for reason in Reason if reason.value in ITEMS and reason.value not in HTTP_STATUSES
}


def declared_reasons() -> set[str]:
    names = error_reason_pb2.ErrorReason.keys()
    return {name.removeprefix("ERROR_REASON_") for name in names} - {"UNSPECIFIED"}


@cache
def provoked_reasons() -> frozenset[str]:
    """The arguments of every `pytest.mark.provokes(…)` in the tests."""
    return frozenset(
        str(argument.value)
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "provokes"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    )


def test_the_code_knows_exactly_the_reasons_of_the_contract() -> None:
    assert {reason.value for reason in Reason} == declared_reasons()


@pytest.mark.parametrize("reason", sorted(declared_reasons()))
def test_each_reason_has_a_row_in_the_tables_of_both_doors(reason: str) -> None:
    assert Reason(reason) in STATUS_CODES
    assert reason in HTTP_STATUSES or reason in ITEMS


def test_the_tables_hold_nothing_but_reasons() -> None:
    assert set(HTTP_STATUSES) | set(ITEMS) <= declared_reasons()


@pytest.mark.parametrize("reason", sorted(declared_reasons()))
def test_each_reason_is_provoked_by_a_test(reason: str) -> None:
    assert reason in provoked_reasons()


def test_marks_name_reasons_that_exist() -> None:
    assert provoked_reasons() <= declared_reasons()


def test_the_routes_are_those_of_the_annotations() -> None:
    annotated = set()
    for service in SERVICES:
        for method in descriptor_pool.Default().FindServiceByName(service).methods:
            rule = method.GetOptions().Extensions[annotations_pb2.http]
            verb = rule.WhichOneof("pattern")
            if verb:
                path = getattr(rule, verb)
                annotated.add((verb.upper(), path, f"{service}/{method.name}"))
    routed = {
        (verb, path, surface.method)
        for path, verbs in make_routes(ZoneInfo("UTC")).items()
        for verb, surface in verbs.items()
    }
    assert routed == annotated
