"""Clients that run in an environment of their own: each prints JSON, `{check: [passed, words]}`."""
