"""The API says of itself what there is, no more and no less."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from steer.control.api import build_admin
from steer.control.problems import KINDS
from steer.control.tokens import Role
from tests.kit.admin import RunningAdmin


async def described(admin: RunningAdmin) -> dict[str, Any]:
    answer = await admin.get("/api/v1/openapi.json", role=None)
    assert answer.status == 200
    found: dict[str, Any] = answer.body
    return found


async def test_the_document_lists_the_routes_that_exist_and_no_others(admin: RunningAdmin) -> None:
    document = await described(admin)
    listed = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    routes = {
        (route.method, route.resource.canonical)
        for route in build_admin(admin.context).router.routes()
        if route.resource is not None
    }
    assert listed == routes
    assert len(listed) > 20


async def test_every_listed_route_answers_as_listed(admin: RunningAdmin) -> None:
    document = await described(admin)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            answer = await admin.call(method.upper(), re.sub(r"{\w+}", "nope", path), role=None)
            assert answer.status not in (404, 405, 500)
            assert (answer.status == 401) == ("security" in operation), (method, path)


async def test_the_document_is_openapi_3_1_whose_references_resolve(admin: RunningAdmin) -> None:
    document = await described(admin)
    assert document["openapi"].startswith("3.1.")
    schemas = document["components"]["schemas"]
    for reference in re.findall(r"'\$ref': '([^']+)'", str(document)):
        assert reference.rpartition("/")[0] == "#/components/schemas"
        assert reference.rpartition("/")[2] in schemas
    names = [o["operationId"] for item in document["paths"].values() for o in item.values()]
    assert len(set(names)) == len(names)


async def test_path_parameters_and_required_bodies_are_described(admin: RunningAdmin) -> None:
    operation = (await described(admin))["paths"]["/api/v1/groups/{group}/weights"]["put"]
    parameters = {(p["name"], p["in"], p["required"]) for p in operation["parameters"]}
    assert parameters == {
        ("group", "path", True),
        ("If-Match", "header", False),
        ("Idempotency-Key", "header", False),
    }
    assert operation["requestBody"]["required"] is True
    assert operation["description"] == f"Role: {Role.OPERATOR}"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            if name == "id":
                self.ids.add(value or "")


async def test_the_page_for_people_needs_no_token_no_script_and_nothing_from_elsewhere(admin: RunningAdmin) -> None:
    answer = await admin.get("/api/v1/docs", role=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    page = Page(answer.body)
    assert "script" not in page.tags
    assert page.links == ["openapi.json"]
    for path in (await described(admin))["paths"]:
        assert path in answer.body


async def test_the_type_of_a_problem_is_a_place_in_the_page(admin: RunningAdmin) -> None:
    page = Page((await admin.get("/api/v1/docs", role=None)).body)
    assert page.ids == set(KINDS)
    problem = (await admin.get("/nowhere")).body
    assert problem["type"] == "/api/v1/docs#not_found"
