"""For machines that watch the edge: alive, ready, metrics."""

from __future__ import annotations

from aiohttp import web

from steer.control.api_call import Call, Endpoint, answer
from steer.control.auth import is_secret
from steer.control.exposition import CONTENT_TYPE, render
from steer.control.problems import ApiProblem


async def healthz(call: Call) -> web.Response:
    """This process answers, so it lives."""
    return answer({"status": "ok"})


async def readyz(call: Call) -> web.Response:
    """Whether to send traffic to this edge: at least one worker serves."""
    serving = sum(worker.state == "serving" for worker in call.context.workers())
    shown = {"ready": serving > 0, "workers_serving": serving}
    return answer(shown, status=200 if serving else 503)


async def metrics(call: Call) -> web.Response:
    wanted = call.context.metrics_token
    if wanted is not None and not is_secret(call.request.headers.get("Authorization"), wanted):
        challenge = {"WWW-Authenticate": 'Bearer realm="steer metrics"'}
        raise ApiProblem("unauthorised", "send `Authorization: Bearer` with admin.metrics_token", headers=challenge)
    return web.Response(body=render(call.context), headers={"Content-Type": CONTENT_TYPE})


ENDPOINTS = (
    Endpoint("GET", "/healthz", healthz, "The control process lives", None),
    Endpoint("GET", "/readyz", readyz, "The edge takes traffic (503: it does not)", None),
    Endpoint("GET", "/metrics", metrics, "Prometheus text format 0.0.4", None, media_type="text/plain"),
)
PROBES = frozenset({"/healthz", "/readyz"})
"""Answered whatever the Host: probes use addresses, and these say nothing worth stealing."""
