from __future__ import annotations

from dataclasses import replace

from steer.steering.model import Area, GroupMode, Location, Rule, Topology, When
from steer.steering.rules import PreparedRule, prepare_rules
from tests.steering.towns import AUCKLAND, WELLINGTON, town, with_group

NEAREST = Rule("near", When(), nearest=True)
SYDNEY, NAPIER, KAITAIA = (-33.87, 151.21), (-39.49, 176.91), (-35.11, 173.26)


def located(**places: Location) -> Topology:
    return replace(town(), locations=places or {WELLINGTON: (-41.29, 174.78), AUCKLAND: (-36.85, 174.76)})


def prepared(rule: Rule, topology: Topology | None = None) -> PreparedRule:
    return PreparedRule(rule, (WELLINGTON, AUCKLAND), topology or located())


def test_datacentres_stand_in_the_order_of_their_distance() -> None:
    order = prepared(NEAREST).order
    assert order(KAITAIA) == (AUCKLAND, WELLINGTON)
    assert order(NAPIER) == (WELLINGTON, AUCKLAND)


def test_a_bias_makes_one_seem_nearer() -> None:
    assert prepared(NEAREST).order(SYDNEY) == (AUCKLAND, WELLINGTON)
    assert prepared(replace(NEAREST, bias={WELLINGTON: 50})).order(SYDNEY) == (WELLINGTON, AUCKLAND)


def test_one_that_is_nowhere_comes_last() -> None:
    assert prepared(NEAREST, located(auckland=(-36.85, 174.76))).order(NAPIER) == (AUCKLAND, WELLINGTON)


def test_rules_about_places_and_distances_need_to_know_where_the_client_is() -> None:
    assert prepared(NEAREST).needs_place
    assert prepared(Rule("nz", When(area=Area(countries=frozenset({"NZ"}))), {WELLINGTON: 1})).needs_place
    assert not prepared(Rule("office", When(area=Area(networks=("10.0.0.0/8",))), {WELLINGTON: 1})).needs_place


def test_a_group_that_is_at_one_datacentre_has_no_rules() -> None:
    topology = with_group(located(), rules=(NEAREST,))
    assert [str(rule) for rule in prepare_rules(topology)["website"]] == ["<PreparedRule near>"]
    assert prepare_rules(with_group(topology, mode=GroupMode.PILOT_LIGHT, order=(WELLINGTON,)))["website"] == ()
