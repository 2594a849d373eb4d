"""Chromium, driven by Playwright: `python with_chromium.py PORT CHROMIUM`. Trust is for others to try."""

from __future__ import annotations

import json
import sys

from playwright.sync_api import Page, sync_playwright

FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")

PROTOCOL = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
AT_ONCE = """async () => {
  const asked = Array.from({length: 50}, (_, number) => fetch('/hello?' + number).then(answer => answer.text()));
  return (await Promise.all(asked)).filter(text => text === 'hello\\n').length;
}"""
UPLOAD = """async () => {
  const body = new Uint8Array(1 << 20).fill(7);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
  const wanted = Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('');
  return (await (await fetch('/digest', {method: 'POST', body})).text()) === wanted;
}"""
DOWNLOAD = "async () => (await (await fetch('/bytes/8388608')).arrayBuffer()).byteLength"
WEBSOCKET = """() => new Promise((resolve, reject) => {
  const socket = new WebSocket(`wss://${location.host}/ws`);
  const answers = [];
  socket.onopen = () => { for (let number = 0; number < 20; number++) socket.send('message ' + number); };
  socket.onmessage = event => { answers.push(event.data); if (answers.length === 20) socket.close(1000); };
  socket.onclose = event => resolve([answers.length, event.code]);
  socket.onerror = () => reject(new Error('the WebSocket failed'));
})"""


def checks(page: Page, base: str) -> dict[str, tuple[bool, str]]:
    page.goto(base)
    heading = page.inner_text("h1")
    protocol = page.evaluate(PROTOCOL)
    found = {"a page over HTTP/2": (heading == "It works" and protocol == "h2", f"{protocol}: {heading}")}
    answered = page.evaluate(AT_ONCE)
    found["50 fetches at once"] = (answered == 50, f"{answered} answered")
    found["1 MiB up"] = (page.evaluate(UPLOAD), "same digest")
    size = page.evaluate(DOWNLOAD)
    found["8 MiB down"] = (size == 8 << 20, f"{size} bytes")
    count, code = page.evaluate(WEBSOCKET)
    found["a WebSocket"] = ((count, code) == (20, 1000), f"{count} of 20 messages, closed with {code}")
    return found


def main(port: str, chromium: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.set_default_timeout(20_000)
        print(json.dumps(checks(page, f"https://localhost:{port}/")))
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
