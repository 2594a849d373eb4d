from __future__ import annotations

import re

import pytest
from multidict import CIMultiDict

from steer.health.expect import BODY, Expectation, is_of, shortfall

NO_FIELDS: CIMultiDict[str] = CIMultiDict()


@pytest.mark.parametrize(
    ("status", "wanted", "fits"),
    [(200, "2xx", True), (299, "2xx", True), (302, "2xx", False), (204, "204", True), (200, "204", False)],
)
def test_a_status_is_of_a_class_or_a_code(status: int, wanted: str, fits: bool) -> None:
    assert is_of(status, wanted) is fits


def test_one_of_several_classes_is_enough() -> None:
    expect = Expectation(status=("2xx", "302"))
    assert shortfall(expect, 302, NO_FIELDS, b"") == ""
    assert shortfall(expect, 500, NO_FIELDS, b"") == "status 500, expected 2xx or 302"


def test_a_header_must_have_the_value_and_its_name_may_have_any_case() -> None:
    expect = Expectation(header={"x-site": "wellington"})
    assert shortfall(expect, 200, CIMultiDict({"X-Site": "wellington"}), b"") == ""
    assert shortfall(expect, 200, CIMultiDict({"X-Site": "auckland"}), b"") == "header x-site is not 'wellington'"
    assert shortfall(expect, 200, NO_FIELDS, b"") == "header x-site is not 'wellington'"


def test_the_body_is_searched_in_its_first_64_kib_only() -> None:
    expect = Expectation(body=re.compile("ready"))
    assert shortfall(expect, 200, NO_FIELDS, b"all is ready\n") == ""
    assert shortfall(expect, 200, NO_FIELDS, b"starting") == "body does not match 'ready'"
    assert shortfall(expect, 200, NO_FIELDS, b" " * (BODY - 5) + b"ready") == ""
    assert shortfall(expect, 200, NO_FIELDS, b" " * (BODY - 4) + b"ready") != ""


def test_a_body_that_is_no_utf_8_is_searched_all_the_same() -> None:
    assert shortfall(Expectation(body=re.compile("ok$")), 200, NO_FIELDS, b"\xff\xfe ok") == ""
