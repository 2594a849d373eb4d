"""From text to plain data, with the line of every key and value.

YAML as its 1.2 core schema reads it: `on`, `off`, `yes` and `no` are words, `22:30` and `2026-12-24` are text, keys are
always text. A file that could mean two things, or that grows when it is read, is refused: keys written twice, aliases,
tags.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from steer.config.source import Place, show_place
from steer.errors import Problem

# A thousand services come to some 300 KiB. Past this the file is not one that a person wrote.
MOST_BYTES = 1024 * 1024
# The schema is ten deep (an undo in a parallel step of a plan); this leaves room for wrong nesting to be named.
MOST_NESTED = 32

_NULL, _BOOL, _INT, _FLOAT, _STR = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))
_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
# In this order: the first that matches a plain scalar gives its type (YAML 1.2.2, section 10.3.2). Eighteen digits
# are as many as every reader of JSON takes; Python itself refuses to read thousands.
_CORE_SCHEMA = (
    (_NULL, r"^(?:null|Null|NULL|~|)$"),
    (_BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$"),
    (_INT, r"^[-+]?[0-9]{1,18}$"),
    (_FLOAT, r"^[-+]?(?:\.[0-9]+|[0-9]{1,18}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?$"),
)


class _CoreResolver(BaseResolver):
    """What a plain scalar is."""


for _tag, _pattern in _CORE_SCHEMA:
    _CoreResolver.add_implicit_resolver(_tag, re.compile(_pattern), None)


class _Refused(Exception):
    """A part of YAML that is not taken here."""

    def __init__(self, message: str, hint: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.line = line


class _Composer(Reader, Scanner, Parser, Composer, _CoreResolver):
    """Nodes out of text; refuses aliases and deep nesting before they cost anything."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _CoreResolver.__init__(self)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise _Refused("is an alias, which is not known here", "write it out", line)
        if self._depth >= MOST_NESTED:
            raise _Refused("is nested too deeply", f"at most {MOST_NESTED}", line)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class Reading:
    """What was read: plain `data`, `lines` by place, and what was wrong with the text."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.data: dict[str, Any] = {}
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []

    def take(self, content: bytes) -> None:
        """Reads a whole file."""
        node = self._compose(content)
        if isinstance(node, MappingNode):
            self.data = self._mapping(node, ())
        elif not self.problems:
            self._refuse(0, (), "must be a mapping that begins with version: 1")

    def _compose(self, content: bytes) -> Node | None:
        if len(content) > MOST_BYTES:
            self._refuse(0, (), f"is larger than {MOST_BYTES // 1024} KiB")
            return None
        try:
            return _Composer(content.decode("utf-8-sig")).get_single_node()
        except UnicodeDecodeError as error:
            self._refuse(content.count(b"\n", 0, error.start) + 1, (), "is not text in UTF-8")
        except _Refused as error:
            self._refuse(error.line, (), error.message, error.hint)
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except yaml.YAMLError:
            self._refuse(0, (), "has a control character in it", "YAML allows none but tab and line ends")
        return None

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        """Only the parser's own words: the text around it may hold a secret."""
        mark = error.problem_mark or error.context_mark
        said = f"{error.problem or error.context}".replace("\n", " ")
        hint = (
            "inside { } or [ ], text with ${...}, : or { needs quotes"
            if "flow" in said or "expected ',' or" in said
            else ""
        )
        self._refuse(mark.line + 1 if mark else 0, (), said, hint)

    def _value(self, node: Node, place: Place) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, place)

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._check_tag(node, place)
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._refuse(line, place, "has a key that is not text")
                continue
            key = (*place, key_node.value)
            if key_node.value in found:
                self._refuse(line, key, "is written twice", f"first on line {self.lines[key]}")
                continue
            self.lines[key] = line
            found[key_node.value] = self._value(value_node, key)
        return found

    def _scalar(self, node: Node, place: Place) -> Any:
        self._check_tag(node, place)
        text = str(node.value)
        if node.tag == _NULL:
            return None
        if node.tag == _BOOL:
            return text.lower() == "true"
        if node.tag == _INT and re.fullmatch(_CORE_SCHEMA[2][1], text):
            return int(text)
        if node.tag == _FLOAT and re.fullmatch(_CORE_SCHEMA[3][1], text):
            return float(text)
        return text

    def _check_tag(self, node: Node, place: Place) -> None:
        if node.tag not in (_NULL, _BOOL, _INT, _FLOAT, _STR, *_COLLECTIONS):
            self._refuse(node.start_mark.line + 1, place, "has a tag, which is not known here", "leave out the !")

    def _refuse(self, line: int, place: Place, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.file, line, show_place(place), message, hint))
