"""All commands, and the way of one from its words to its reply: known? enough words? allowed? now, or queued?"""

from __future__ import annotations

from collections.abc import Awaitable

from steer.sessions.resp import describing, expiry, greeting, hashes, keys, scripts, strings, transactions
from steer.sessions.resp.command import Command, Refusal, Words
from steer.sessions.resp.replies import QUEUED, shown
from steer.sessions.resp.session import Session, Transaction

FAMILIES = (strings, hashes, expiry, keys, transactions, scripts, greeting, describing)

COMMANDS: dict[bytes, Command] = {
    command.name.upper().encode(): command for family in FAMILIES for command in family.COMMANDS
}
COMMANDS[b"COMMAND"] = describing.describe(COMMANDS)

KNOWN = ", ".join(sorted(command.name.upper() for command in COMMANDS.values()))

MOST_VALUE = 256 * 1024
"""Bytes of one value or field. A session of more is a mistake, and would be sent to the other site at each request."""

MOST_QUEUED = 256
"""Commands between MULTI and EXEC. Session libraries send two to five."""

MOST_QUEUED_BYTES = 1024 * 1024
"""What they may have together: as much as one command."""


def run(session: Session, words: Words) -> bytes | Awaitable[bytes]:
    """The reply, or what to await for it. Raises `Refusal` and the errors of the store."""
    command = COMMANDS.get(words[0]) or COMMANDS.get(words[0].upper())
    if command is None or not command.takes(words) or (command.needs_user and session.space is None):
        raise _refuse(session, command, words)
    if command.is_write and max(map(len, words)) > MOST_VALUE:
        raise _refuse(session, command, words)
    if session.transaction is not None and not command.is_immediate:
        return _queue(session, session.transaction, command, words)
    return command.run(session, words)


def may_write(words: Words) -> bool:
    """Of a command that has begun: EXEC carries out what was queued."""
    name = words[0].upper()
    return COMMANDS[name].is_write or name == b"EXEC"


def _refuse(session: Session, command: Command | None, words: Words) -> Refusal:
    if session.transaction is not None:
        session.transaction = Transaction(failed=True)
    if command is None and session.space is not None:
        return Refusal(f"ERR unknown command '{shown(words[0])}'; steer's session door knows: {KNOWN}")
    if command is None or (command.needs_user and session.space is None):
        return Refusal("NOAUTH Authentication required.")
    if command.takes(words):
        return Refusal(f"ERR a value may have {MOST_VALUE:,} bytes")
    return Refusal(f"ERR wrong number of arguments for '{command.name}' command")


def _queue(session: Session, transaction: Transaction, command: Command, words: Words) -> bytes:
    """Of a transaction that has failed nothing more is kept, and EXEC says so."""
    if transaction.failed:
        return QUEUED
    transaction.bytes += sum(map(len, words))
    is_full = len(transaction.queue) >= MOST_QUEUED or transaction.bytes > MOST_QUEUED_BYTES
    if is_full or not command.in_transaction:
        session.transaction = Transaction(failed=True)
        why = "the transaction is too long" if is_full else f"'{command.name}' takes no part in transactions"
        raise Refusal(f"ERR {why}")
    transaction.queue.append((command, words))
    return QUEUED
