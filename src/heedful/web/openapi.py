"""The description of the API (OpenAPI 3.1), made from the page of routes and the Structs."""

from collections.abc import Iterable
from typing import Any

import msgspec

from heedful.web.app import Route
from heedful.web.bodies import NAMED
from heedful.web.problems import MEDIA_TYPE, Problem, every_code

_REF = "#/components/schemas/{name}"

_PARAMETERS = {
    "subject": "+14155550100, ann@example.com, contact:crm-42 …, percent-encoded",
    "vendor": "A vendor's name in brand.toml",
    "token": "The token of a link, as it stands in the message",
}
_EXAMPLES = {"subject": "+14155550100", "vendor": "shipper", "token": "AQhleGFtcGxl"}


def described(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """The whole document."""
    routes = tuple(routes)
    types = [t for r in routes for t in (r.body, r.answer) if t is not None]
    _, schemas = msgspec.json.schema_components(
        [*dict.fromkeys(types), *NAMED, Problem], ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heedful",
            "version": version,
            "summary": "Hears every marketing opt-out, and answers: may I send this?",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key made by `heedful key create`, which begins with hk_.",
                }
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    """One route. Everything that it may answer is named, problems included."""
    said: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{_plain(route.path)}",
        "summary": route.summary,
        "responses": {"200": _answer(route)},
    }
    if route.permission is not None:
        said["security"] = [{"key": []}]
        said["description"] = f"Needs a key with the permission `{route.permission}`."
    parameters = [_parameter(name) for name in _names(route.path)] + _query(route)
    if route.method == "POST" and "application/json" in route.takes:
        parameters += [_header(name, text) for name, text in route.headers]
    if parameters:
        said["parameters"] = parameters
    if route.body is not None:
        content = {"schema": {"$ref": _REF.format(name=route.body.__name__)}}
        said["requestBody"] = {"required": True, "content": {"application/json": content}}
    elif route.method == "POST":
        said["requestBody"] = {
            "required": False,
            "content": {media: {"schema": {}} for media in route.takes},
        }
    for status in sorted(_problems(route)):
        said["responses"][str(status)] = _problem(status, route)
    return said


def _answer(route: Route) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "Done", "content": {route.media: {"schema": {}}}}
    schema = {"$ref": _REF.format(name=route.answer.__name__)}
    return {"description": _first_line(route.answer), "content": {route.media: {"schema": schema}}}


def _problems(route: Route) -> set[int]:
    found = {500, 503, *route.problems}
    if route.permission is not None:
        found |= {401, 403}
    if route.method == "POST":
        found |= {413}
    if route.body is not None:
        found |= {400, 422}
    if route.query is not None:
        found |= {422}
    return found


def _problem(status: int, route: Route) -> dict[str, Any]:
    titles = sorted({title for s, title, _ in every_code().values() if s == status})
    content: dict[str, Any] = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    if route.media == "text/html":
        # People meet a page; what fails before the page is reached is still a problem document.
        content["text/html"] = {"schema": {}}
    elif status == 503 and route.answer is not None and route.path == "/readyz":
        content["application/json"] = {"schema": {"$ref": _REF.format(name="Readiness")}}
    return {"description": " · ".join(titles) or "A problem", "content": content}


def _parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PARAMETERS[name],
        "schema": {"type": "string", "minLength": 1},
        "example": _EXAMPLES[name],
    }


def _query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema: dict[str, Any] = msgspec.json.schema_components([route.query], ref_template=_REF)[1][
        route.query.__name__
    ]
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": one}
        for name, one in schema["properties"].items()
    ]


def _header(name: str, text: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": text,
        "schema": {"type": "string", "minLength": 1, "maxLength": 180},
    }


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _plain(path: str) -> str:
    return "_".join(part.strip("{}").replace(".", "_") for part in path.split("/") if part)


def _first_line(struct: type) -> str:
    return " ".join((struct.__doc__ or struct.__name__).split())
