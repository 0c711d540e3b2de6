"""`openapi.yaml`: it is valid, its examples are, and it says what the code and the contract say."""

import copy
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema_rs
import orjson
import pytest
import schemathesis
import yaml
from redemption_gateway.coupon_items import ITEMS, LIMIT_ITEMS
from redemption_gateway.errors import HTTP_STATUSES
from redemption_gateway.json_text import parse_json
from redemption_gateway.routes import make_routes

DOCUMENT: dict[str, Any] = yaml.safe_load(
    resources.files("redemption_gateway").joinpath("openapi.yaml").read_text()
)
EXAMPLES = Path(__file__).parent.parent / "contract" / "examples"
VERBS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
# What answers beside the surfaces.
SERVICE_OPERATIONS = {
    ("GET", "/healthz", "GetHealth"),
    ("GET", "/readyz", "GetReadiness"),
    ("GET", "/openapi.json", "GetOpenApi"),
}
# Reasons that no operation of this door can have: only gRPC reverses redemptions, issues coupons,
# runs jobs and tells of events.
GRPC_ONLY = {
    "REDEMPTION_NOT_FOUND",
    "REDEMPTION_REVERSED",
    "SERIES_NOT_FOUND",
    "SERIES_EXISTS",
    "COUPON_ISSUED",
    "JOB_NOT_FOUND",
    "SEQUENCE_PRUNED",
}
# Golden files: verb and path of the operation, status of the response or None for the request.
REDEMPTIONS, COUPONS = "/api_gateway/v1/promotions/redemptions", "/v1.1/coupon/redeem"
GOLDEN = {
    "promotions-redeem.request.json": ("post", REDEMPTIONS, None),
    "promotions-redeem.response.json": ("post", REDEMPTIONS, "200"),
    "promotions-redeem.error-400.json": ("post", REDEMPTIONS, "400"),
    "promotions-lookup.response.json": ("get", REDEMPTIONS, "200"),
    "coupon-redeem.request.jsonc": ("post", COUPONS, None),
    "coupon-redeem.response.json": ("post", COUPONS, "200"),
    "coupon-redeem.failure.json": ("post", COUPONS, "200"),
}
USE = {
    "promotionId": "p",
    "redemptionCount": 1,
    "discount": 0.1,
    "discountAppliedOnQuantity": 1,
    "promotionAppliedOnQuantity": 1,
}
REDEEM = {
    "customerId": 1,
    "transactionIdentifier": "t",
    "transactionNumber": "n",
    "transactionDate": 1743521508000,
    "amount": 1000,
    "redemptions": [USE],
}
PAIR = {"customerIdentifierType": "MOBILE", "customerIdentifierValue": "9999988886"}


def resolve(node: Any) -> Any:
    """The node, or what its `$ref` points to."""
    while "$ref" in node:
        pointer = node["$ref"]
        assert pointer.startswith("#/"), pointer
        found: Any = DOCUMENT
        for step in pointer.removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for verb in VERBS & item.keys():
            yield verb, path, item[verb]


def walk(node: Any, where: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document that is not inside an example, with its place."""
    if isinstance(node, dict):
        yield where, node
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key not in ("example", "value", "const", "enum", "default"):
                yield from walk(value, f"{where}/{key}")


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    """Schemas that stand on their own; those inside them come with them."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        yield f"#/components/schemas/{name}", schema
    yield from ((where, node["schema"]) for where, node in walk(DOCUMENT) if "schema" in node)


def examples() -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Place, schema and value of each example of a body, a parameter or a header."""
    for where, node in walk(DOCUMENT):
        if "schema" not in node:
            continue
        if "example" in node:
            yield where, node["schema"], node["example"]
        for name, example in node.get("examples", {}).items():
            yield f"{where}/{name}", node["schema"], resolve(example)["value"]


def content(verb: str, path: str, status: str | None) -> dict[str, Any]:
    """The JSON body of a request or response."""
    operation = DOCUMENT["paths"][path][verb]
    body = resolve(operation["responses"][status]) if status else operation["requestBody"]
    found: dict[str, Any] = body["content"]["application/json"]
    return found


def golden(name: str) -> Any:
    return parse_json((EXAMPLES / name).read_bytes(), comments=True)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from objects(inner)


def error_codes(body: dict[str, Any]) -> set[int]:
    """The statuses in an error body of whatever form."""
    if "errorCode" in body:
        return {body["errorCode"]}
    if "errors" in body:
        return {error["code"] for error in body["errors"]}
    return {body["response"]["status"]["code"]}


def test_it_is_an_openapi_document() -> None:
    # With the official schema of OpenAPI 3.1, which comes with schemathesis.
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"] == "3.1.0"


def test_it_can_be_served_as_json() -> None:
    # orjson refuses keys that are no strings, and what YAML takes for a date becomes text.
    assert orjson.loads(orjson.dumps(DOCUMENT)) == DOCUMENT


def test_every_reference_leads_somewhere() -> None:
    referring = [node for _, node in walk(DOCUMENT) if isinstance(node.get("$ref"), str)]
    assert referring
    for node in referring:
        assert resolve(node)


def test_every_component_is_used() -> None:
    used = {node["$ref"] for _, node in walk(DOCUMENT) if isinstance(node.get("$ref"), str)}
    for kind, components in DOCUMENT["components"].items():
        if kind != "securitySchemes":
            assert {f"#/components/{kind}/{name}" for name in components} <= used


@pytest.mark.parametrize("schema", [pytest.param(schema, id=where) for where, schema in schemas()])
def test_every_schema_is_a_json_schema(schema: dict[str, Any]) -> None:
    jsonschema_rs.meta.validate(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    )
    # Compiles patterns and finds references, too.
    assert validator(schema)


def test_every_operation_has_an_id_a_summary_and_a_tag_of_its_own() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert tags == {tag for _, _, operation in operations() for tag in operation["tags"]}
    assert all(operation["summary"] for _, _, operation in operations())


def test_every_response_has_the_common_headers_and_those_of_its_status() -> None:
    for _, _, operation in operations():
        for status, reference in operation["responses"].items():
            headers = resolve(reference)["headers"].keys()
            assert headers >= {"X-Cap-RequestID", "Cache-Control"}
            assert ("WWW-Authenticate" in headers) == (status == "401")
            assert ("Allow" in headers) == (status == "405")
            assert ("Retry-After" in headers) == (status in ("409", "429", "503"))


@pytest.mark.parametrize(
    ("schema", "value"),
    [pytest.param(schema, value, id=where) for where, schema, value in examples()],
)
def test_every_example_is_valid(schema: dict[str, Any], value: Any) -> None:
    validator(schema).validate(value)


def test_every_error_has_an_example_with_its_status() -> None:
    for verb, path, operation in operations():
        for status in operation["responses"]:
            if status.startswith("2") or path == "/readyz":
                continue
            found = content(verb, path, status)["examples"].values()
            assert found
            for example in found:
                assert error_codes(resolve(example)["value"]) == {int(status)}


def test_every_golden_file_is_known() -> None:
    assert {file.name for file in EXAMPLES.iterdir()} == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_file_is_valid_and_an_example(name: str) -> None:
    body = content(*GOLDEN[name])
    # Numbers as json reads them: those of the gateway are text.
    text = (EXAMPLES / name).read_text()
    value = golden(name) if name.endswith("jsonc") else json.loads(text)
    validator(body["schema"]).validate(value)
    assert value in [resolve(example)["value"] for example in body["examples"].values()] or (
        # That one is named by its reason, and the moment in it is the same for all.
        name == "promotions-redeem.error-400.json"
        and value == resolve(body["examples"]["CUSTOMER_REQUIRED"])["value"]
    )


@pytest.mark.parametrize("name", [name for name, (_, _, status) in GOLDEN.items() if status])
def test_a_response_with_a_field_too_many_is_not_valid(name: str) -> None:
    schema = content(*GOLDEN[name])["schema"]
    value = json.loads((EXAMPLES / name).read_text())
    for i, _ in enumerate(objects(value)):
        changed = copy.deepcopy(value)
        list(objects(changed))[i]["surplus"] = "x"
        assert not validator(schema).is_valid(changed)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"customerId": "566881933"}, id="customer as a string"),
        pytest.param({"customerId": -1}, id="anonymous"),
        pytest.param({"customerId": None, **PAIR}, id="identifier in capitals"),
        pytest.param({"lineItems": None}, id="null for a list"),
        pytest.param({"lineItems": [USE], "redemptions": []}, id="one list empty"),
        pytest.param({"amount": "0.000001"}, id="six decimals as a string"),
        pytest.param({"amount": 1234567890.123456}, id="six decimals as a number"),
        pytest.param({"transactionDate": "1743521508000"}, id="date as a string"),
        pytest.param({"surplus": {}}, id="unknown field"),
    ],
)
def test_a_promotion_request_that_is_accepted_is_valid(changes: dict[str, Any]) -> None:
    validator(content("post", REDEMPTIONS, None)["schema"]).validate(REDEEM | changes)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"customerId": None}, id="no customer"),
        pytest.param({"customerId": None, **PAIR, "customerIdentifierType": "x"}, id="type"),
        pytest.param({"customerId": 0}, id="customer zero"),
        pytest.param({"customerId": True}, id="customer of a wrong type"),
        pytest.param({"redemptions": []}, id="no uses"),
        pytest.param({"redemptions": USE}, id="no list"),
        pytest.param({"redemptions": [USE | {"redemptionCount": 0}]}, id="count of zero"),
        pytest.param({"redemptions": [USE | {"sku": 1}]}, id="number for a text"),
        pytest.param({"amount": None}, id="null for a required field"),
        pytest.param({"amount": "0.0000001"}, id="seven decimals as a string"),
        pytest.param({"amount": 0.0000001}, id="seven decimals as a number"),
        pytest.param({"amount": -1}, id="negative"),
        pytest.param({"amount": 10**10}, id="eleven digits"),
        pytest.param({"transactionNumber": ""}, id="empty"),
        pytest.param({"transactionNumber": "a\0"}, id="NUL"),
        pytest.param({"transactionNumber": "x" * 251}, id="251 characters"),
    ],
)
def test_a_promotion_request_that_is_refused_is_not_valid(changes: dict[str, Any]) -> None:
    assert not validator(content("post", REDEMPTIONS, None)["schema"]).is_valid(REDEEM | changes)


@pytest.mark.parametrize("reason", sorted(HTTP_STATUSES.keys() - GRPC_ONLY))
def test_every_reason_has_an_example_under_its_status(reason: str) -> None:
    statuses = {
        status
        for verb, path, operation in operations()
        for status in operation["responses"]
        if not status.startswith("2") and reason in content(verb, path, status).get("examples", {})
    }
    assert statuses == {str(HTTP_STATUSES[reason])}


@pytest.mark.parametrize("reason", sorted(ITEMS))
def test_every_reason_of_a_coupon_has_an_example_with_its_item(reason: str) -> None:
    assert ITEMS[reason] in items_of(reason)


@pytest.mark.parametrize("scope", sorted(LIMIT_ITEMS))
def test_every_limit_of_a_coupon_has_an_example_with_its_item(scope: str) -> None:
    assert LIMIT_ITEMS[scope] in items_of(f"LIMIT_REACHED.{scope}")


def items_of(name: str) -> set[tuple[int, str]]:
    """Codes and messages of the coupons in an example of surface C."""
    value = content("post", COUPONS, "200")["examples"][name]["value"]
    found = value["response"]["coupons"]["coupon"]
    statuses = [one["item_status"] for one in (found if isinstance(found, list) else [found])]
    return {(status["code"], status["message"]) for status in statuses}


def test_the_operations_are_those_that_the_gateway_answers() -> None:
    described = {
        (verb.upper(), path, operation["operationId"]) for verb, path, operation in operations()
    }
    routed = {
        (verb, path, surface.method.rpartition("/")[2])
        for path, verbs in make_routes(ZoneInfo("UTC")).items()
        for verb, surface in verbs.items()
    }
    assert described == routed | SERVICE_OPERATIONS
