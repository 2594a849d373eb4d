"""MULTI, EXEC, DISCARD, WATCH: transactions of one key, as a session library needs them.

Records of two keys may live in two places of the store, and of the other site, so nothing could make them change in
one step: a transaction over two keys is refused before any of it runs.
"""

from __future__ import annotations

import inspect

from steer.sessions.resp.answering import answer_of
from steer.sessions.resp.command import ALL_KEYS, Command, Refusal, Words
from steer.sessions.resp.draft import Draft
from steer.sessions.resp.records import TRIES
from steer.sessions.resp.replies import OK, array, null_array
from steer.sessions.resp.session import Session, Transaction, Watched
from steer.store.errors import Conflict, StoreError


def multi(session: Session, words: Words) -> bytes:
    if session.transaction is not None:
        raise Refusal("ERR MULTI calls can not be nested")
    session.transaction = Transaction()
    return OK


def discard(session: Session, words: Words) -> bytes:
    if session.transaction is None:
        raise Refusal("ERR DISCARD without MULTI")
    session.transaction = session.watched = None
    return OK


async def watch(session: Session, words: Words) -> bytes:
    if session.transaction is not None:
        raise Refusal("ERR WATCH inside MULTI is not allowed")
    if len({*words[1:], *([session.watched.key] if session.watched else [])}) > 1:
        raise Refusal("ERR steer's session door watches one key, as its transactions are of one key")
    if session.watched is None:
        session.watched = Watched(words[1], await _stamp(session, words[1]))
    return OK


async def _stamp(session: Session, key: bytes) -> str:
    record = await session.of(key).get(key)
    return record.stamp if record else ""


def unwatch(session: Session, words: Words) -> bytes:
    session.watched = None
    return OK


async def exec_(session: Session, words: Words) -> bytes:
    transaction, watched = session.transaction, session.watched
    if transaction is None:
        raise Refusal("ERR EXEC without MULTI")
    session.transaction = session.watched = None
    if transaction.failed:
        raise Refusal("EXECABORT Transaction discarded because of previous errors.")
    keys = {key for command, words in transaction.queue for key in command.keys_of(words)}
    if len(keys) > 1:
        raise Refusal("EXECABORT steer's session door has transactions of one key; this one is of several")
    if keys and session.home.is_local(next(iter(keys))):
        raise Refusal("EXECABORT local keys (locks) take no part in transactions")
    if watched and keys and watched.key not in keys:
        raise Refusal("EXECABORT WATCH must be of the key that the transaction changes")
    return await _run(session, transaction, next(iter(keys), watched.key if watched else b""), watched)


async def _run(session: Session, transaction: Transaction, key: bytes, watched: Watched | None) -> bytes:
    """Again from the start when another write came in between; with WATCH that is the answer."""
    records = session.of(key)
    for tries_left in reversed(range(TRIES)):
        found = await records.get(key) if key else None
        if watched and (found.stamp if found else "") != watched.stamp:
            break
        draft = Draft(records, key, found, session.now, session.home.max_lifetime)
        replies = await _replies(session, transaction, draft)
        try:
            await draft.commit()
        except Conflict:
            if not watched and not tries_left:
                raise
        else:
            return array(replies)
    return null_array(session.protocol)


async def _replies(session: Session, transaction: Transaction, draft: Draft) -> list[bytes]:
    session.draft = draft
    try:
        return [await _reply(session, command, words) for command, words in transaction.queue]
    finally:
        session.draft = None


async def _reply(session: Session, command: Command, words: Words) -> bytes:
    """A command that fails is an error among the replies, as in Redis; the others stand."""
    try:
        reply = command.run(session, words)
        return await reply if inspect.isawaitable(reply) else reply
    except (Refusal, StoreError) as error:
        return answer_of(error)


COMMANDS = (
    Command("multi", 1, multi, is_immediate=True),
    Command("exec", 1, exec_, is_immediate=True),
    Command("discard", 1, discard, is_immediate=True),
    Command("watch", -2, watch, ALL_KEYS, is_immediate=True),
    Command("unwatch", 1, unwatch),
)
