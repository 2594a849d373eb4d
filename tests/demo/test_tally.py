from __future__ import annotations

from steer.demo.ports import Ports
from steer.demo.tally import in_words, served

METRICS = """\
# HELP steer_requests_total Requests answered.
# TYPE steer_requests_total counter
steer_requests_total{service="www",group="website",datacentre="wellington",code_class="2xx"} 600.0
steer_requests_total{service="www",group="website",datacentre="auckland",code_class="2xx"} 390.0
steer_requests_total{service="www",group="website",datacentre="auckland",code_class="5xx"} 9.0
steer_requests_total{service="www",group="website",datacentre="",code_class="5xx"} 1.0
# HELP steer_connections Open.
# TYPE steer_connections gauge
steer_connections 4.0
"""


def test_requests_are_told_by_datacentre_and_failures_apart() -> None:
    assert in_words(METRICS) == "1000 requests (399 by auckland, 600 by wellington), 10 answered 5xx"


def test_no_request_at_all_is_a_sentence_too() -> None:
    assert in_words("") == "0 requests, 0 answered 5xx"


def test_an_edge_that_does_not_answer_is_said() -> None:
    admin = f"http://127.0.0.1:{Ports().near(18700)}"
    assert served(admin).startswith("the edge no longer says what it served: ")
