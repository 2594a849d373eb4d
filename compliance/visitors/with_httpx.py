"""httpx, over HTTP/2 and over HTTP/1.1: `python with_httpx.py PORT AUTHORITY`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import sys

import httpx

SIZE = 8 << 20
AT_ONCE = 50
BODY = bytes(range(256)) * 64


async def checks(base: str, authority: str) -> dict[str, tuple[bool, str]]:
    trust = ssl.create_default_context(cafile=authority)
    async with httpx.AsyncClient(http2=True, verify=trust, timeout=20, base_url=base, trust_env=False) as client:
        seen = await client.get("/hello")
        found = {"HTTP/2": (seen.text == "hello\n" and seen.http_version == "HTTP/2", seen.http_version)}
        answers = await asyncio.gather(*(client.get(f"/hello?{number}") for number in range(AT_ONCE)))
        good = sum(answer.status_code == 200 and answer.http_version == "HTTP/2" for answer in answers)
        found[f"{AT_ONCE} requests at once"] = (good == AT_ONCE, f"{good} answered")
        body = BODY * (SIZE // len(BODY))
        sent = await client.post("/digest", content=body)
        found["8 MiB up"] = (sent.text == hashlib.sha256(body).hexdigest(), f"status {sent.status_code}")
        got = await client.get(f"/bytes/{SIZE}")
        found["8 MiB down"] = (got.content == body, f"{len(got.content)} bytes")
    async with httpx.AsyncClient(verify=trust, timeout=20, base_url=base, trust_env=False) as client:
        answer = await client.get("/hello")
        found["HTTP/1.1"] = (answer.text == "hello\n" and answer.http_version == "HTTP/1.1", answer.http_version)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(checks(f"https://localhost:{sys.argv[1]}", sys.argv[2]))))
