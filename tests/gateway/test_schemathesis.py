"""What the served description says of itself is true of the running service, whatever is sent.

Schemathesis makes requests out of the description, good ones and bad ones, and compares the answers
with it. `HYPOTHESIS_PROFILE=soak` makes it send many more, by chance.
"""

import copy
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redemption_server.prepare import DEMO_CATALOG
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.gateway.door import fresh, write_catalog
from tests.support import catalogs
from tests.support.databases import Databases
from tests.support.process import started
from tests.support.service import basic
from tests.support.soaking import SOAK, examples

AnyCase: TypeAlias = "Case[Any]"
AnyOperation: TypeAlias = "APIOperation[Any, Any, Any, Any]"
PROPERTY = settings(
    max_examples=examples(25, 1_000),
    derandomize=not SOAK,
    database=None,
    deadline=None,
    # Shrinking a failure would send thousands of requests.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# Left out on purpose are two that do not fit this API. "Positive data is accepted": what has the
# right shape is refused all the same where it names what does not exist. "Negative data is
# rejected": unknown fields and query parameters are ignored, a number may come as a string, and
# what is wrong in a coupon fails the coupon, not the request.
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DEMO = basic("demo", "demo")
AT_HOME = {
    "X-CAP-API-AUTH-ORG-ID": str(catalogs.ORG),
    "X-CAP-API-ATTRIBUTION-TILL-CODE": "till-2",
}
TOKEN = "GenerateToken"


@dataclass
class Api:
    """The service as its description shows it; notes which statuses each operation has had."""

    schema: BaseSchema
    session: requests.Session
    statuses: dict[str, set[int]] = field(default_factory=dict)
    _addresses: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def operation(self, operation_id: str) -> AnyOperation:
        (found,) = [o for o in self.operations() if o.definition.raw["operationId"] == operation_id]
        return found

    def operations(self) -> list[AnyOperation]:
        results = self.schema.get_all_operations()
        return [result.ok() for result in results if isinstance(result, Ok)]

    def send(self, case: AnyCase, authorization: str | None = basic(), **headers: str) -> int:
        """Sends a request and compares its answer with the description."""
        number = next(self._addresses)
        # Another address each time: whoever fails too often at one is slowed down.
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        headers = {"X-Forwarded-For": address, **headers}
        if authorization:
            headers["Authorization"] = authorization
        answer = case.call_and_validate(
            session=self.session, headers=headers, checks=CHECKS, timeout=10
        )
        operation_id = case.operation.definition.raw["operationId"]
        self.statuses.setdefault(operation_id, set()).add(answer.status_code)
        return answer.status_code

    def example(self, operation_id: str, number: int = 0) -> AnyCase:
        """The documented example of an operation, or one of those of its body."""
        operation = self.operation(operation_id)
        if "requestBody" not in operation.definition.raw:
            query = {
                parameter.name: parameter.definition["example"]
                for parameter in operation.query
                if "example" in parameter.definition
            }
            return operation.Case(query=query)
        examples = operation.definition.raw["requestBody"]["content"]["application/json"]
        names = list(examples["examples"])
        value = self._resolved(examples["examples"][names[number]])["value"]
        return operation.Case(body=copy.deepcopy(value), media_type="application/json")

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        found: Any = self.schema.raw_schema
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return dict(found)


@pytest.fixture(scope="module")
def api(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The catalog of the gateway's tests, and the one that the documented examples need."""
    folder = tmp_path_factory.mktemp("api")
    files = f"{write_catalog(folder)}{os.pathsep}{_unlimited_demo(folder)}"
    with started(
        "up",
        folder=folder,
        catalog=files,
        database_url=databases.sqlite(),
        unknown_codes_per_minute="1000000",
    ) as process:
        url = f"http://127.0.0.1:{process.port('HTTP gateway listens')}/openapi.json"
        config = schemathesis.Config()
        # Credentials are ours to choose.
        config.projects.default.generation.update(with_security_parameters=False)
        with requests.Session() as session:
            # Loaded from its own address it would leave out the operation that serves it.
            schema = schemathesis.openapi.from_dict(session.get(url).json(), config=config)
            schema.config.update(base_url=url.removesuffix("/openapi.json"))
            yield Api(schema, session)


def _unlimited_demo(folder: Path) -> Path:
    catalog = yaml.safe_load(DEMO_CATALOG.read_text())
    catalog["organizations"][0]["rate_limit_per_minute"] = "unlimited"
    file = folder / "demo.yaml"
    file.write_text(yaml.safe_dump(catalog))
    return file


# What chance does not find: names of what there is.


def known_promotions(case: AnyCase, number: int) -> None:
    body: Any = case.body
    body.update(customerId=catalogs.CUSTOMER, transactionIdentifier=fresh())
    # Now and then what was sent before.
    if number % 5 == 0:
        body["transactionIdentifier"] = "again"
    for use in (body.get("lineItems") or []) + (body.get("redemptions") or []):
        use.update(promotionId="coded", promoCode="code-1", earnedPromotionId=None)


def known_codes(case: AnyCase, number: int) -> None:
    query: Any = case.query
    query.update(codes=["Code-1", "VOUCHER", "nothing"][number % 3 :], mode="DISCOUNT")
    query.pop("pageToken", None)


def known_coupons(case: AnyCase, number: int) -> None:
    body: Any = case.body
    found = body["root"]["coupon"]
    for coupon in found if isinstance(found, list) else [found]:
        coupon["code"] = ["many-1", "Many-2", "HALF-1", "V1"][number % 4]
        coupon["customer"] = {"id": catalogs.CUSTOMER}


def good_secret(case: AnyCase, number: int) -> None:
    case.body = {"key": catalogs.KEY, "secret": catalogs.SECRET}


def as_it_is(case: AnyCase, number: int) -> None:
    pass


@dataclass(frozen=True)
class Plan:
    """How an operation is exercised: what it gets to know, and how often it may be tried."""

    known: Callable[[AnyCase, int], None] = as_it_is
    # Each wrong secret costs an expensive hash.
    wrong_secrets: int | None = None
    has_bad_data: bool = True


PLANS = {
    "RedeemPromotions": Plan(known_promotions),
    "ListPromotionRedemptions": Plan(known_codes),
    "RedeemCoupons": Plan(known_coupons),
    TOKEN: Plan(good_secret, wrong_secrets=8),
    "GetHealth": Plan(has_bad_data=False),
    "GetReadiness": Plan(has_bad_data=False),
    "GetOpenApi": Plan(has_bad_data=False),
}
EACH = pytest.mark.parametrize("operation_id", PLANS)


def cases(
    api: Api, operation_id: str, mode: GenerationMode, headers: dict[str, str] | None = None
) -> st.SearchStrategy[AnyCase]:
    operation = api.operation(operation_id)
    documented = {parameter.name for parameter in operation.headers}
    fixed = {name: value for name, value in (headers or {}).items() if name in documented}
    strategy: st.SearchStrategy[AnyCase] = operation.as_strategy(
        generation_mode=mode, headers=fixed or None
    )
    return strategy


@EACH
def test_the_answers_are_as_described(api: Api, operation_id: str) -> None:
    plan = PLANS[operation_id]
    numbers = itertools.count()
    api.statuses.pop(operation_id, None)
    if operation_id == "ListPromotionRedemptions":
        # There is something to find.
        case = api.example("RedeemPromotions")
        known_promotions(case, 1)
        assert api.send(case) == 200
    few = settings(PROPERTY, max_examples=plan.wrong_secrets or PROPERTY.max_examples)

    # Each as good as can be made, so that it is carried out.
    @PROPERTY
    @given(case=cases(api, operation_id, GenerationMode.POSITIVE, AT_HOME))
    def known(case: AnyCase) -> None:
        # It may be an example out of the description itself.
        case.body = copy.deepcopy(case.body)
        plan.known(case, next(numbers))
        api.send(case)

    @few
    @given(case=cases(api, operation_id, GenerationMode.POSITIVE, AT_HOME))
    def well_formed(case: AnyCase) -> None:
        api.send(case)

    @few
    @given(case=cases(api, operation_id, GenerationMode.POSITIVE))
    def well_formed_with_headers_of_chance(case: AnyCase) -> None:
        api.send(case)

    known()
    well_formed()
    well_formed_with_headers_of_chance()
    if plan.has_bad_data:

        @PROPERTY
        @given(case=cases(api, operation_id, GenerationMode.NEGATIVE))
        def misshapen(case: AnyCase) -> None:
            api.send(case)

        misshapen()
    else:
        # Nothing that such a path is sent is wrong, but its verb.
        assert api.send(another_verb(api, operation_id)) == 405
    statuses = api.statuses[operation_id]
    assert 200 in statuses
    assert any(400 <= status < 500 for status in statuses), statuses
    assert 429 not in statuses


def another_verb(api: Api, operation_id: str) -> AnyCase:
    return api.operation(operation_id).Case(method="DELETE")


@EACH
def test_another_verb_and_another_expectation_are_as_described(api: Api, operation_id: str) -> None:
    assert api.send(another_verb(api, operation_id)) == 405
    assert api.send(api.operation(operation_id).Case(), Expect="the impossible") == 417


@EACH
def test_a_call_without_a_credential_is_as_described(api: Api, operation_id: str) -> None:
    operation = api.operation(operation_id)
    needs_one = "security" not in operation.definition.raw
    for authorization in (None, basic(secret="wrong"), "Bearer x"):
        status = api.send(api.example(operation_id), authorization)
        assert status == (401 if needs_one else 200)


@pytest.mark.parametrize(
    ("operation_id", "count"), [("RedeemPromotions", 2), ("RedeemCoupons", 2), (TOKEN, 1)]
)
def test_the_documented_examples_succeed(api: Api, operation_id: str, count: int) -> None:
    examples = api.operation(operation_id).definition.raw["requestBody"]["content"]
    assert len(examples["application/json"]["examples"]) == count
    for number in range(count):
        assert api.send(api.example(operation_id, number), DEMO) == 200


def test_the_documented_example_of_a_lookup_succeeds(api: Api) -> None:
    # Its codes are those that the examples of redeeming use.
    assert api.send(api.example("RedeemPromotions", 1), DEMO) == 200
    case = api.example("ListPromotionRedemptions")
    assert set(case.query or {}) == {"codes", "mode", "includeRedemptions"}
    assert api.send(case, DEMO) == 200


def test_every_operation_of_the_description_has_a_plan(api: Api) -> None:
    names = [operation.definition.raw["operationId"] for operation in api.operations()]
    assert sorted(names) == sorted(PLANS)
    assert len(names) == sum(1 for _ in api.schema.get_all_operations())
