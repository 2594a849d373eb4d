"""`steer token` works on the file itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steer.control.tokens import Role, Tokens
from tests.cli.conftest import Run


async def test_a_token_is_printed_once_as_the_last_word_and_works(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "certs" / "tokens.yaml"
    result = await run("token", "create", "ops", "--role", "operator", "--expires", "90d", "--file", str(file))
    assert result.exit_code == 0
    secret = result.stdout.split()[-1]
    holder = Tokens(file).holder(secret)
    assert holder is not None
    assert (holder.name, holder.role) == ("ops", Role.OPERATOR)
    listed = await run("token", "list", "--file", str(file))
    assert secret not in listed.stdout
    assert listed.stdout.splitlines()[1].split()[:2] == ["ops", "operator"]


async def test_json_has_the_token_too(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "tokens.yaml"
    made = json.loads((await run("token", "create", "a", "--role", "viewer", "--file", str(file), "--json")).stdout)
    assert made.keys() == {"name", "role", "expires", "file", "token"}
    assert made["expires"] is None
    listed = json.loads((await run("token", "list", "--file", str(file), "--json")).stdout)
    assert listed == [{"name": "a", "role": "viewer", "expires": None}]


async def test_a_revoked_token_is_gone(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "tokens.yaml"
    await run("token", "create", "ops", "--role", "viewer", "--file", str(file))
    assert (await run("token", "revoke", "ops", "--file", str(file))).stdout == "ops is revoked\n"
    assert (await run("token", "list", "--file", str(file))).stdout == f"{file} has no tokens\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("create", "ops", "--role", "viewer"), 1, "there is a token called 'ops'"),
        (("create", "O P", "--role", "viewer"), 1, "cannot name a token"),
        (("create", "new", "--role", "viewer", "--expires", "soon"), 2, "must be a duration"),
        (("revoke", "nobody"), 1, "no token is called 'nobody'"),
    ],
)
async def test_what_cannot_be_is_said_on_one_line(
    tmp_path: Path, run: Run, words: tuple[str, ...], status: int, said: str
) -> None:
    file = tmp_path / "tokens.yaml"
    await run("token", "create", "ops", "--role", "viewer", "--file", str(file))
    before = file.read_bytes()
    result = await run("token", *words, "--file", str(file))
    assert result.exit_code == status
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert file.read_bytes() == before


async def test_a_role_that_there_is_not_is_a_usage_error(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "tokens.yaml"
    assert (await run("token", "create", "ops", "--role", "king", "--file", str(file))).exit_code == 2
    assert (await run("token", "list", "--file", str(file))).stdout == f"{file} has no tokens\n"


async def test_a_file_that_is_no_tokens_file_is_left_as_it_is(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text("users: []\n")
    for words in (("list",), ("create", "a", "--role", "viewer"), ("revoke", "a")):
        result = await run("token", *words, "--file", str(file))
        assert result.exit_code == 2
        assert "is not a tokens file" in result.stderr
    assert file.read_text() == "users: []\n"


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("")
    result = await run("token", "create", "a", "--role", "viewer", "--file", str(tmp_path / "file" / "tokens.yaml"))
    assert result.exit_code == 2
    assert "cannot be changed" in result.stderr
