"""The page for people: every endpoint and every problem, in one file without scripts or anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape

from steer import __version__
from steer.control.api_call import Endpoint
from steer.control.problems import KINDS

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
code { font: 0.9em ui-monospace, monospace; background: #f2f2f2; padding: 0.1em 0.3em; border-radius: 3px }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: 0.4rem 0.6rem; border-bottom: 1px solid #ddd }
:target { background: #fff3c4 }
@media (prefers-color-scheme: dark) {
  body { background: #16181b; color: #e6e6e6 } code { background: #2a2d31 } th, td { border-color: #3a3d41 }
  :target { background: #4a3f10 } a { color: #8ab4f8 }
}
"""


def policy() -> str:
    """Content-Security-Policy: this one style sheet and nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"


def page_for_people(endpoints: Sequence[Endpoint]) -> str:
    rows = "\n".join(map(_endpoint_row, endpoints))
    problems = "\n".join(
        f'<tr id="{kind}"><td><code>{kind}</code></td><td>{status}</td><td>{escape(title)}</td></tr>'
        for kind, (status, title) in KINDS.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>steer admin API</title>
<style>{STYLE}</style></head>
<body>
<h1>steer admin API</h1>
<p>Version {escape(__version__)}. The same as <a href="openapi.json">OpenAPI 3.1</a>. Send
<code>Authorization: Bearer &lt;token&gt;</code>; <code>steer token create NAME --role viewer</code> makes a token.
A viewer reads, an operator changes weights and overrides too, an admin changes tokens too.</p>
<p>Every change needs a <code>reason</code> and is in the audit. It may have <code>expires_in</code> (<code>2h</code>),
<code>force</code> where a safety rule refuses, <code>If-Match</code> with the ETag of what was read, and an
<code>Idempotency-Key</code> so that it can be sent again. An ETag names the part of a resource that changes are made
to, not the rates in it. Lists take <code>?limit=</code> and <code>?after=</code>, and say <code>next</code>.</p>
<pre><code>curl -H "Authorization: Bearer $STEER_TOKEN" http://127.0.0.1:9900/api/v1/status</code></pre>
<h2>What there is</h2>
<table><thead><tr><th>Request</th><th>Role</th><th>What it does</th><th>It takes</th></tr></thead><tbody>
{rows}
</tbody></table>
<h2>Problems</h2>
<p>Errors are <code>application/problem+json</code> (RFC 9457); <code>type</code> ends in one of these names.</p>
<table><thead><tr><th>Name</th><th>Status</th><th>Meaning</th></tr></thead><tbody>
{problems}
</tbody></table>
</body>
</html>
"""


def _endpoint_row(endpoint: Endpoint) -> str:
    takes = [f"<code>?{query.name}=</code> {escape(query.meaning)}" for query in endpoint.query]
    if endpoint.body is not None:
        takes += [
            f"<code>{name}</code> {_needed(field.is_required())}" for name, field in endpoint.body.model_fields.items()
        ]
    return (
        f"<tr><td><code>{endpoint.method} {escape(endpoint.path)}</code></td><td>{endpoint.role or 'no token'}</td>"
        f"<td>{escape(endpoint.summary)}</td><td>{'<br>'.join(takes)}</td></tr>"
    )


def _needed(required: bool) -> str:
    return "(needed)" if required else ""
