"""`steer failover`, `failback`, `hold` and `release`: where a group is, and whether it moves by itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from steer.cli.client import Edge, Json, No, segment
from steer.cli.command import Call, ExpiresOption, ForceOption, PreviewOption, ReasonOption, asks_edge, need_reason
from steer.cli.output import duration, number, until
from steer.cli.previews import show_preview
from steer.errors import Unreachable

POLL = 0.5
"""Seconds between two looks at a move that is under way."""

PATIENCE = 60
"""Looks in a row that may find no edge: half a minute, in which a control process starts again."""

GroupArgument = Annotated[str, typer.Argument(help="The group's name.")]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="Do not follow it until it is over.")]


def register(app: typer.Typer) -> None:
    _register_failover(app)
    _register_failback(app)
    _register_hold(app)
    _register_release(app)


def _register_failover(app: typer.Typer) -> None:
    @asks_edge(app)
    def failover(
        call: Call,
        group: GroupArgument,
        to: Annotated[str | None, typer.Option("--to", metavar="DC", help="Else the first that can take it.")] = None,
        ungraceful: Annotated[bool, typer.Option("--ungraceful", help="Let no client stay where it is.")] = False,
        reason: ReasonOption = None,
        preview: PreviewOption = False,
        force: ForceOption = False,
        no_wait: NoWaitOption = False,
    ) -> None:
        """Move a group that is at one datacentre, all its services at once, and follow it until it is over.

        New clients go to the other datacentre at once; those with affinity may stay until `drain.sessions` is over.
        Example: steer failover ecosystem --to west-europe --reason "fire in the north"
        """
        wanted: Json = {"to": to, "ungraceful": ungraceful, "reason": need_reason(reason), "force": force}
        if preview:
            show_preview(call, {"kind": "failover", "target": {"group": group}, **wanted})
        else:
            _move(call, group, "failover", wanted, no_wait)


def _register_failback(app: typer.Typer) -> None:
    @asks_edge(app)
    def failback(
        call: Call,
        group: GroupArgument,
        reason: ReasonOption = None,
        preview: PreviewOption = False,
        force: ForceOption = False,
        no_wait: NoWaitOption = False,
    ) -> None:
        """Move a group back to the first datacentre of its order, by its ramp, and follow it until it is over.

        Example: steer failback ecosystem --reason "the north is back"
        """
        wanted: Json = {"reason": need_reason(reason), "force": force}
        if preview:
            show_preview(call, {"kind": "failback", "target": {"group": group}, **wanted})
        else:
            _move(call, group, "failback", wanted, no_wait)


def _register_hold(app: typer.Typer) -> None:
    @asks_edge(app)
    def hold(
        call: Call,
        group: GroupArgument,
        reason: ReasonOption = None,
        expires: ExpiresOption = None,
        preview: PreviewOption = False,
    ) -> None:
        """Nothing of the group moves by itself until it is released. You can still move it.

        Example: steer hold ecosystem --reason "network works tonight" --expires 8h
        """
        wanted: Json = {
            "kind": "hold",
            "target": {"group": group},
            "reason": need_reason(reason),
            "expires_in": expires,
        }
        if preview:
            show_preview(call, wanted)
            return
        override = call.edge.change("POST", "/overrides", wanted)
        call.tell(override, f"held {group} {until(override['expires'])} ({override['id']})")


def _register_release(app: typer.Typer) -> None:
    @asks_edge(app)
    def release(call: Call, group: GroupArgument, reason: ReasonOption = None, preview: PreviewOption = False) -> None:
        """The group may move by itself again, whatever held it: an operator, its penalty, its failovers of the day.

        Example: steer release ecosystem --reason "the works are over"
        """
        wanted: Json = {"kind": "restore", "target": {"group": group}, "reason": need_reason(reason)}
        if preview:
            show_preview(call, wanted)
            return
        done = call.edge.change("POST", "/overrides", wanted)
        call.tell(done, f"released {group}")


# Following a move.


def _move(call: Call, group: str, kind: str, wanted: Json, no_wait: bool) -> None:
    """Ask for it and show it until it is over."""
    edge = call.edge
    begun: Json = edge.change("POST", f"/groups/{segment(group)}/{kind}", wanted)["group"]
    found, line = begun, ProgressLine()
    try:
        for found in () if no_wait else looks(edge, begun):
            line.show(progress(found))
    except KeyboardInterrupt:
        typer.echo(f"steer: {group} goes on moving without this command (`steer status` shows it)", err=True)
        raise typer.Exit(130) from None
    finally:
        line.end()
    call.tell(found, progress(found))


def looks(edge: Edge, found: Json) -> Iterator[Json]:
    """The group as it is, again and again until it is where it was going. Raises `No` if somebody turned it round."""
    going_to, missed = goal(found), 0
    while True:
        yield found
        if found["stage"] in ("home", "away"):
            return
        time.sleep(POLL)
        try:
            found, missed = edge.get(f"/groups/{segment(found['name'])}"), 0
        except Unreachable:
            missed += 1
            if missed > PATIENCE:
                raise
        if goal(found) != going_to:
            raise No(409, f"{found['name']} goes to {goal(found)} now", "`steer status` shows it, `steer audit` why")


def goal(group: Json) -> str:
    """Where it is going, or is: the one whose share rises while it returns."""
    rising: str = next(iter(group["arriving"]), group["at"])
    return rising


def progress(group: Json) -> str:
    """`ecosystem is at west, leaving north: 12 clients left, 4 min 10 s left`."""
    said = [f"{group['name']} is at {group['at']}"]
    if group["arriving"]:
        said.append(f"returning: {number(group['arriving'][goal(group)])} % to {goal(group)}")
    said += [stay(each) for each in group["stays"]]
    return ", ".join(said)


def stay(found: Json) -> str:
    left = found["clients_left"]
    clients = f"{left} client{'' if left == 1 else 's'} left"
    return f"leaving {found['datacentre']}: {clients}, {duration(found['seconds_left'])} left"


class ProgressLine:
    """What goes on, on standard error: one line that changes on a terminal; elsewhere nothing, for a log is no film."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        if self._is_shown:
            sys.stderr.write(f"\r{text.ljust(self._width)}")
            sys.stderr.flush()
            self._width = len(text)

    def end(self) -> None:
        """Leaves nothing of it."""
        if self._width:
            sys.stderr.write(f"\r{' ' * self._width}\r")
            sys.stderr.flush()
            self._width = 0
