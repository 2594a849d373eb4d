"""What the door says of itself: INFO, CONFIG GET, COMMAND. As little as clients need to believe that it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from steer.sessions.resp.command import Command, Refusal, Words
from steer.sessions.resp.replies import array, bulk, integer, mapping, members, null, shown, simple
from steer.sessions.resp.session import Session

if TYPE_CHECKING:
    from steer.sessions.resp.session import Facts

SETTINGS = {
    b"appendonly": b"no",
    b"databases": b"1",
    b"maxmemory": b"0",
    b"maxmemory-policy": b"noeviction",
    b"notify-keyspace-events": b"",
    b"replica-read-only": b"yes",
    b"save": b"",
    b"slave-read-only": b"yes",
    b"timeout": b"0",
}
"""What StackExchange.Redis, Spring and redis-benchmark ask for."""


def info(session: Session, words: Words) -> bytes:
    wanted = {word.lower().decode("latin-1") for word in words[1:]} - {"all", "default", "everything"}
    sections = {name: facts for name, facts in session.door.facts().items() if not wanted or name in wanted}
    return bulk("\r\n".join(_section(name, facts) for name, facts in sections.items()).encode())


def _section(name: str, facts: Facts) -> str:
    title = name if name == "sessions" else name.capitalize()
    return "".join((f"# {title}\r\n", *(f"{field}:{value}\r\n" for field, value in facts.items())))


def config(session: Session, words: Words) -> bytes:
    if words[1].upper() != b"GET" or len(words) < 3:
        raise Refusal("ERR CONFIG has GET only: settings are in steer's configuration")
    wanted = {word.lower() for word in words[2:]}
    found = {name: bulk(value) for name, value in SETTINGS.items() if name in wanted or b"*" in wanted}
    return mapping(found, session.protocol)


def describe(commands: Mapping[bytes, Command]) -> Command:
    """The command COMMAND over this table."""

    def command(session: Session, words: Words) -> bytes:
        match words[1].upper() if len(words) > 1 else b"":
            case b"":
                return array([_row(session, each) for each in commands.values()])
            case b"COUNT":
                return integer(len(commands))
            case b"INFO":
                return array([_named(session, commands.get(name.upper())) for name in words[2:]])
            case b"DOCS":
                return mapping({}, session.protocol)
        raise Refusal(f"ERR unknown subcommand '{shown(words[1])}'; there are: COUNT, DOCS, INFO")

    return Command("command", -1, command, in_transaction=False)


def _named(session: Session, command: Command | None) -> bytes:
    return null(session.protocol) if command is None else _row(session, command)


def _row(session: Session, command: Command) -> bytes:
    flags = [simple("write" if command.is_write else "readonly")]
    places = [integer(place) for place in command.keys]
    return array([bulk(command.name.encode()), integer(command.arity), members(flags, session.protocol), *places])


COMMANDS = (
    Command("info", -1, info, in_transaction=False),
    Command("config", -2, config, in_transaction=False),
)
