"""Where tools come from that are not the project's: the system's packages, and virtual environments in a cache folder.

What is there already is used again. Everything that can go wrong here is `Unavailable`, with one line that says what.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTALL_S = 900.0
"""A Python 2.7 built from source takes five minutes on a slow machine."""


class Unavailable(Exception):
    """A tool cannot be had here. The message says why, in one line."""


def cache_folder() -> Path:
    """`~/.cache/steer-suites`, or where XDG_CACHE_HOME says."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "steer-suites"


@dataclass(frozen=True, slots=True)
class Tools:
    """Installs into `cache`, and tells `say` before anything that takes long."""

    cache: Path
    say: Callable[[str], None]

    def program(self, name: str, package: str = "") -> str:
        """A program's path, installed by the system's package manager (`package`, if it is called otherwise)."""
        places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
        found = shutil.which(name, path=places)
        if found is None:
            self._run([str(ROOT / "scripts/need"), f"{name}={package}" if package else name], f"installing {name}")
            found = shutil.which(name, path=places)
        if found is None:
            raise Unavailable(f"{name} is not installed: apt-get install {package or name}")
        return found

    def environment(self, name: str, *packages: str) -> Path:
        """The `bin` folder of a virtual environment of this Python with these packages."""
        folder = self._folder(name, packages)
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            self._run([sys.executable, "-m", "venv", str(folder)], f"making an environment for {name}")
            self._install(folder, packages)
        return folder / "bin"

    def modules(self, name: str, *packages: str) -> Path:
        """The `node_modules` of a folder with these packages of npm's, each as `npm install` takes it."""
        npm = self.program("npm")
        folder = self._folder(name, packages)
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            argv = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *packages]
            self._run(argv, f"installing {', '.join(packages)}")
            (folder / "whole").touch()
        return folder / "node_modules"

    def python2_environment(self, name: str, *packages: str) -> Path:
        """The same of Python 2.7, which pyenv has or builds."""
        folder = self._folder(name, packages)
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            # The last releases that still make environments for Python 2.7.
            virtualenv = self.environment("virtualenv", "virtualenv<20.22") / "virtualenv"
            self._run([str(virtualenv), "--python", self._python2(), str(folder)], f"making an environment for {name}")
            self._install(folder, packages)
        return folder / "bin"

    def version(self, folder: Path, package: str) -> str:
        """Of an installed package, by the Python of that `bin` folder."""
        argv = [str(folder / "python"), "-m", "pip", "--disable-pip-version-check", "show", package]
        said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        found = [line.partition(": ")[2] for line in said.splitlines() if line.startswith("Version: ")]
        return f"{package} {found[0] if found else 'unknown'}"

    def _folder(self, name: str, packages: Sequence[str]) -> Path:
        """Another one for each set of packages and each Python, so that an old one is never taken for it."""
        wanted = "\n".join([sys.executable, sys.version, *packages])
        return self.cache / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"

    def _install(self, folder: Path, packages: Sequence[str]) -> None:
        pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        self._run([*pip, *packages], f"installing {', '.join(packages)}")
        (folder / "whole").touch()

    def _python2(self) -> str:
        for candidate in self._pythons2():
            if _is_python2(candidate):
                return candidate
        pyenv = shutil.which("pyenv")
        if pyenv is None:
            raise Unavailable("needs Python 2.7: install pyenv, which can build it")
        self._run([pyenv, "install", "--skip-existing", "2.7.18"], "building Python 2.7.18 (some minutes)")
        for candidate in self._pythons2():
            if _is_python2(candidate):
                return candidate
        raise Unavailable("pyenv built no Python 2.7 that runs")

    def _pythons2(self) -> Iterator[str]:
        roots = (os.environ.get("PYENV_ROOT"), str(Path.home() / ".pyenv"))
        for root in filter(None, roots):
            yield from (str(path) for path in sorted(Path(root).glob("versions/2.7*/bin/python2.7")))
        found = shutil.which("python2.7")
        if found is not None:
            yield found

    def _run(self, argv: Sequence[str], what: str) -> None:
        self.say(f"{what} ...")
        try:
            done = subprocess.run(
                argv, capture_output=True, text=True, check=False, timeout=INSTALL_S, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{what}: {error}") from error
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()
            errors = [line for line in said if "error" in line.lower()]
            raise Unavailable(f"{what} failed: {(errors or said)[-1].strip()}")


def _is_python2(path: str) -> bool:
    """Whether it runs: pyenv's shims are there for versions that are not chosen, too."""
    try:
        done = subprocess.run([path, "-c", "import ssl"], capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
