"""Who is there, and in which words we talk: AUTH, HELLO, CLIENT, SELECT and what else a client says at first."""

from __future__ import annotations

from steer.sessions.resp.command import SYNTAX, Command, Refusal, Words
from steer.sessions.resp.replies import EMPTY, OK, PONG, bulk, integer, mapping, null, shown, simple
from steer.sessions.resp.session import Session

REDIS_VERSION = "7.2.4"
"""What libraries look at to know which commands there are."""

MOST_LOGINS = 3
"""Wrong passwords on one connection: then it ends."""

MOST_NAME = 128
"""Bytes of a connection's name."""

WRONG_LOGIN = "WRONGPASS invalid username-password pair or user is disabled."


def auth(session: Session, words: Words) -> bytes:
    """`AUTH password` is the user `default`, as in Redis."""
    if len(words) > 3:
        raise Refusal(SYNTAX)
    _log_in(session, words[1] if len(words) == 3 else b"default", words[-1])
    return OK


def _log_in(session: Session, user: bytes, password: bytes) -> None:
    access = session.door.access
    if access.is_open:
        raise Refusal("ERR AUTH called, but the session door has no users (sessions.doors.resp.users)")
    namespace = access.namespace_of_user(user, password)
    if namespace is None:
        session.failed_logins += 1
        session.leaving = session.failed_logins >= MOST_LOGINS
        raise Refusal(WRONG_LOGIN)
    session.enter(session.door.space(namespace))


def hello(session: Session, words: Words) -> bytes:
    """HELLO [2|3 [AUTH user password] [SETNAME name]]: all of it, or nothing."""
    protocol = _protocol(words[1]) if len(words) > 1 else session.protocol
    rest = words[2:]
    name = session.name
    while rest:
        if rest[0].upper() == b"AUTH" and len(rest) > 2:
            _log_in(session, rest[1], rest[2])
            rest = rest[3:]
        elif rest[0].upper() == b"SETNAME" and len(rest) > 1:
            name = _name(rest[1])
            rest = rest[2:]
        else:
            raise Refusal(f"ERR Syntax error in HELLO option '{shown(rest[0])}'")
    if session.space is None:
        raise Refusal("NOAUTH HELLO must be called with the client already authenticated, or with AUTH")
    session.protocol, session.name = protocol, name
    return _introduction(session)


def _protocol(word: bytes) -> int:
    if word not in (b"2", b"3"):
        raise Refusal("NOPROTO unsupported protocol version")
    return int(word)


def _name(word: bytes) -> bytes:
    if len(word) > MOST_NAME or any(not 0x21 <= byte <= 0x7E for byte in word):
        raise Refusal("ERR Client names cannot contain spaces, newlines or special characters.")
    return word


def _introduction(session: Session) -> bytes:
    return mapping(
        {
            b"server": bulk(b"redis"),
            b"version": bulk(REDIS_VERSION.encode()),
            b"proto": integer(session.protocol),
            b"id": integer(session.id),
            b"mode": bulk(b"standalone"),
            b"role": bulk(b"master"),
            b"modules": EMPTY,
        },
        session.protocol,
    )


def client(session: Session, words: Words) -> bytes:
    match words[1].upper(), words[2:]:
        case b"SETNAME", [name]:
            session.name = _name(name)
            return OK
        case b"GETNAME", []:
            return bulk(session.name) if session.name else null(session.protocol)
        case b"ID", []:
            return integer(session.id)
        case (b"SETINFO", [_, _]) | (b"NO-EVICT" | b"NO-TOUCH", [_]):
            return OK
    raise Refusal(
        f"ERR unknown subcommand '{shown(words[1])}', or wrong arguments;"
        " there are: SETNAME, GETNAME, ID, SETINFO, NO-EVICT, NO-TOUCH"
    )


def ping(session: Session, words: Words) -> bytes:
    if len(words) > 2:
        raise Refusal("ERR wrong number of arguments for 'ping' command")
    return bulk(words[1]) if len(words) == 2 else PONG


def echo(session: Session, words: Words) -> bytes:
    return bulk(words[1])


def select(session: Session, words: Words) -> bytes:
    if words[1] != b"0":
        raise Refusal("ERR DB index is out of range: a namespace has database 0 only, and AUTH chooses the namespace")
    return OK


def quit_(session: Session, words: Words) -> bytes:
    session.leaving = True
    return OK


def reset(session: Session, words: Words) -> bytes:
    session.reset()
    return simple("RESET")


COMMANDS = (
    Command("auth", -2, auth, needs_user=False, in_transaction=False),
    Command("hello", -1, hello, needs_user=False, in_transaction=False),
    Command("client", -2, client, in_transaction=False),
    Command("ping", -1, ping),
    Command("echo", 2, echo),
    Command("select", 2, select),
    Command("quit", -1, quit_, needs_user=False, is_immediate=True),
    Command("reset", 1, reset, needs_user=False, is_immediate=True),
)
