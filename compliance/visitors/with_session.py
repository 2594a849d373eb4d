"""Chromium, driven by Playwright: `python with_session.py CHROMIUM HOST URL URL`. Logs in at the first URL and says who
it is; when it gets a line, says who it is at the second one."""

from __future__ import annotations

import sys

from playwright.sync_api import sync_playwright

FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")


def main(chromium: str, host: str, first: str, second: str) -> None:
    here = f"--host-resolver-rules=MAP {host} 127.0.0.1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, here])
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{first}/login?name=ann")
        page.goto(f"{first}/who")
        print(page.inner_text("body"), flush=True)
        sys.stdin.readline()
        page.goto(f"{second}/who")
        print(page.inner_text("body"), flush=True)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
