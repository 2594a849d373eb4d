"""The tokens file: what it keeps, what it refuses, and that the edge follows it."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from steer.control.tokens import (
    LOCAL,
    Role,
    Tokens,
    create_token,
    read_tokens,
    revoke_token,
    write_local_token,
)
from steer.errors import SteerError, Unacceptable
from tests.kit.clock import ManualClock


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_says_its_name_has_256_bits_and_is_not_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    token, secret = create_token(path, "ops", Role.OPERATOR, expires=2_000_000_000.0)
    assert secret.startswith("steer_ops_")
    assert len(bytes.fromhex(secret.removeprefix("steer_ops_"))) == 32
    assert secret.removeprefix("steer_ops_") not in path.read_text()
    assert read_tokens(path) == (token,)
    assert token.expires == 2_000_000_000.0


def test_the_file_is_for_its_owner_only_even_when_it_was_not_before(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens: []\n")
    path.chmod(0o644)
    create_token(path, "ops", Role.VIEWER)
    assert mode(path) == 0o600
    assert [other.name for other in tmp_path.iterdir()] == ["tokens.yaml"]


def test_two_tokens_never_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    secrets = {create_token(path, f"t{number}", Role.VIEWER)[1].rpartition("_")[2] for number in range(20)}
    assert len(secrets) == 20


@pytest.mark.parametrize("name", ["", "Ops", "a_b", "-a", "a b", "ä", "x" * 64, "a\n"])
def test_a_name_that_would_not_fit_into_a_token_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unacceptable, match="cannot name a token"):
        create_token(tmp_path / "tokens.yaml", name, Role.VIEWER)


def test_a_name_can_be_had_once_and_the_local_one_never(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    create_token(path, "ops", Role.VIEWER)
    for name in ("ops", LOCAL):
        with pytest.raises(Unacceptable, match="there is a token called"):
            create_token(path, name, Role.ADMIN)


def test_tokens_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: create_token(path, f"t{number}", Role.VIEWER), range(24)))
    assert len(read_tokens(path)) == 24


def test_a_revoked_token_is_gone_and_cannot_be_revoked_again(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    _, secret = create_token(path, "ops", Role.VIEWER)
    create_token(path, "other", Role.VIEWER)
    tokens = Tokens(path)
    assert tokens.holder(secret) is not None
    assert revoke_token(path, "ops").name == "ops"
    assert tokens.holder(secret) is None
    assert [token.name for token in tokens.all()] == ["other"]
    with pytest.raises(Unacceptable, match="no token is called 'ops'"):
        revoke_token(path, "ops")


def test_the_edge_accepts_a_token_that_is_made_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    tokens = Tokens(path)
    assert tokens.all() == ()
    token, secret = create_token(path, "ops", Role.VIEWER)
    assert tokens.holder(secret) == token


def test_an_expired_token_is_nobodys(tmp_path: Path) -> None:
    clock = ManualClock()
    _, secret = create_token(tmp_path / "tokens.yaml", "ops", Role.VIEWER, expires=clock.wall() + 60)
    tokens = Tokens(tmp_path / "tokens.yaml", clock=clock)
    clock.advance(59)
    assert tokens.holder(secret) is not None
    clock.advance(1)
    assert tokens.holder(secret) is None


def test_a_file_that_is_taken_away_revokes_every_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    _, secret = create_token(path, "ops", Role.VIEWER)
    tokens = Tokens(path)
    path.unlink()
    assert tokens.holder(secret) is None


def test_a_file_that_breaks_leaves_the_tokens_as_they_were_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tokens.yaml"
    _, secret = create_token(path, "ops", Role.VIEWER)
    tokens = Tokens(path)
    path.write_text("tokens: [{name: ops")
    assert tokens.holder(secret) is not None
    assert "the tokens stay as they were" in caplog.text
    assert secret not in caplog.text


def test_the_local_token_is_an_admins_for_its_owner_only_and_new_each_time(tmp_path: Path) -> None:
    path = tmp_path / "state" / "local-token"
    first = write_local_token(path)
    old = path.read_text().strip()
    second = write_local_token(path)
    secret = path.read_text().strip()
    assert mode(path) == 0o600
    assert first != second
    assert second.role is Role.ADMIN
    tokens = Tokens(tmp_path / "none.yaml", local=second)
    assert tokens.holder(secret) == second
    assert tokens.holder(old) is None
    assert tokens.all() == ()


GOOD = f"{{name: ops, role: viewer, hash: 'sha256:{'0' * 64}'}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is not a tokens file"),
        ("tokens: {}", "is not a tokens file"),
        ("tokens: [", "cannot be read"),
        ("tokens: [ops]", r"tokens\[0\]: must have name, role, hash"),
        ("tokens: [{name: ops, role: viewer}]", r"tokens\[0\]: must have name, role, hash"),
        (f"tokens: [{GOOD.replace('}', ', extra: 1}')}]", r"tokens\[0\]: must have name, role, hash"),
        (f"tokens: [{GOOD.replace('viewer', 'king')}]", r"tokens\[0\].role: must be one of viewer, operator, admin"),
        (f"tokens: [{GOOD.replace('viewer', '[a]')}]", r"tokens\[0\].role: must be one of"),
        (f"tokens: [{GOOD.replace('ops', 'local')}]", r"tokens\[0\].name"),
        (f"tokens: [{GOOD.replace('sha256', 'md5')}]", r"tokens\[0\].hash: must be sha256"),
        (f"tokens: [{GOOD.replace('}', ', expires: soon}')}]", r"tokens\[0\].expires: must be a time"),
        (f"tokens: [{GOOD}, {GOOD}]", "two tokens have the same name"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(text)
    with pytest.raises(SteerError, match=said):
        read_tokens(path)


@pytest.mark.parametrize("written", ["2030-01-01T00:00:00Z", "'2030-01-01T00:00:00+00:00'", "2030-01-01 00:00:00"])
def test_an_expiry_without_zone_is_utc(tmp_path: Path, written: str) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens: [{GOOD.replace('}', f', expires: {written}}}')}]")
    assert read_tokens(path)[0].expires == 1_893_456_000.0


@pytest.mark.parametrize("role", list(Role))
def test_a_role_covers_itself_and_those_below(role: Role) -> None:
    covered = [other for other in Role if role.covers(other)]
    assert covered == list(Role)[: list(Role).index(role) + 1]
