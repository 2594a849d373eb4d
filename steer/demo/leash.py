"""Ties processes to the demonstration, so that nothing is left of it however it ends."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)


class Leash:
    """Starts children that die with this process, and removes the folder when the last of them is gone.

    A small shell waits for the end of a pipe that this process and its children hold open, then removes the folder:
    it does so even when this process is killed. It must be made before any thread is (see `_die_with`).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sweeper = subprocess.Popen(
            ["sh", "-c", 'trap "" HUP INT TERM; cat; rm -rf -- "$1"', "sweeper", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._sweeper.stdin is not None
        self._pipe = self._sweeper.stdin

    def start(self, command: Sequence[str], output: IO[bytes], last_signal: signal.Signals) -> subprocess.Popen[bytes]:
        """Start a child that gets `last_signal` when this process dies. A Ctrl-C in the terminal does not reach it."""
        parent = os.getpid()
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("STEER_")},
            pass_fds=(self._pipe.fileno(),),
            process_group=0,
            preexec_fn=lambda: _die_with(parent, last_signal),
        )

    def release(self) -> None:
        """Remove the folder now. Children are expected to have ended."""
        self._pipe.close()
        try:
            self._sweeper.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._sweeper.kill()
            self._sweeper.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _die_with(parent: int, with_signal: signal.Signals) -> None:
    """Ask the kernel for `with_signal` when the parent ends; end now if it has already.

    Runs between fork and exec, where nothing may take a lock: so the library is opened above.
    """
    if _libc.prctl(PR_SET_PDEATHSIG, with_signal) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)
