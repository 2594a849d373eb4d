"""The API about itself: the OpenAPI 3.1 document and a page for people, both made out of the table of endpoints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from steer import __version__
from steer.control.api_call import Call, Endpoint, Handler
from steer.control.api_page import page_for_people, policy
from steer.control.problems import DOCS

DOCUMENT = "/api/v1/openapi.json"

Schema = dict[str, Any]

PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "path"],
    "properties": {
        "type": {"type": "string", "description": f"a place in {DOCS}"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "path": {"type": "string", "description": "what is wrong in the request; empty: not one place"},
        "rule": {"type": "string", "description": "the safety rule that refused"},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "every place that is wrong"},
    },
}

LIST: Schema = {
    "type": "object",
    "required": ["items", "next"],
    "properties": {
        "items": {"type": "array", "items": {"type": "object"}},
        "next": {"type": ["string", "null"], "description": "for ?after=; null: this was the last page"},
    },
}

CHANGE_FIELDS = (
    ("If-Match", "the ETag of what was read; 412 when it has moved on"),
    ("Idempotency-Key", "the same key and request: the same answer, and the change is made once"),
)


def with_documents(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """The table with the two documents about itself in it."""
    complete: list[Endpoint] = list(endpoints)

    async def show_document(call: Call) -> web.Response:
        return web.json_response(document(complete))

    async def show_page(call: Call) -> web.Response:
        headers = {"Content-Security-Policy": policy()}
        return web.Response(text=page_for_people(complete), content_type="text/html", headers=headers)

    complete += [
        Endpoint("GET", DOCUMENT, show_document, "This API as OpenAPI 3.1", None),
        Endpoint("GET", DOCS, show_page, "This API as a page for people", None, media_type="text/html"),
    ]
    return tuple(complete)


def document(endpoints: Sequence[Endpoint]) -> Schema:
    """OpenAPI 3.1. Lists what there is, nothing that is to come."""
    paths: dict[str, Schema] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "steer admin API", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**_models(endpoints), "Problem": PROBLEM, "List": LIST},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _models(endpoints: Sequence[Endpoint]) -> Schema:
    bodies: dict[type[BaseModel], None] = {e.body: None for e in endpoints if e.body is not None}
    _, schema = models_json_schema(
        [(body, "validation") for body in bodies], ref_template="#/components/schemas/{model}"
    )
    found: Schema = schema["$defs"]
    return found


def _operation(endpoint: Endpoint) -> Schema:
    operation: Schema = {
        "operationId": _name_of(endpoint.handler),
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint),
        "responses": {
            str(endpoint.status): _success(endpoint),
            "default": {
                "description": "a problem",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if endpoint.role is not None:
        operation["security"] = [{"bearer": []}]
        operation["description"] = f"Role: {endpoint.role}"
    if endpoint.body is not None:
        schema = {"$ref": f"#/components/schemas/{endpoint.body.__name__}"}
        needed = endpoint.method != "DELETE"
        operation["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    return operation


def _name_of(handler: Handler) -> str:
    """`changes.set_weights`: generated clients call it so, whatever file it moves to; so keep a file's last word."""
    module = handler.__module__.rpartition("_")[2]
    return f"{module}.{getattr(handler, '__name__', '')}"


def _success(endpoint: Endpoint) -> Schema:
    if endpoint.media_type != "application/json":
        schema: Schema = {"type": "string"}
    else:
        schema = {"$ref": "#/components/schemas/List"} if endpoint.has_list else {"type": "object"}
    return {"description": endpoint.summary, "content": {endpoint.media_type: {"schema": schema}}}


def _parameters(endpoint: Endpoint) -> list[Schema]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    in_query = [
        {
            "name": query.name,
            "in": "query",
            "required": query.required,
            "description": query.meaning,
            "schema": {"type": "array", "items": {"type": "string"}} if query.several else {"type": "string"},
        }
        for query in endpoint.query
    ]
    in_header = [
        {"name": name, "in": "header", "required": False, "description": meaning, "schema": {"type": "string"}}
        for name, meaning in CHANGE_FIELDS
        if endpoint.is_change
    ]
    return [*in_path, *in_query, *in_header]
