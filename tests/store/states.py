"""States as sites could hold them, for hypothesis: few keys' worth of stamps, so that ties and overlaps are common."""

from __future__ import annotations

from hypothesis import strategies as st

from steer.store.merge import normal
from steer.store.stamp import NEVER, stamp_of
from steer.store.state import DELETED, HASH, NONE, PLAIN, Base, Deadline, Field, State

BEGIN = 1_795_000_000_000

stamps = st.builds(stamp_of, st.integers(BEGIN, BEGIN + 3), st.integers(0, 1), st.integers(1, 3))
values = st.binary(max_size=3)
bases = st.one_of(
    st.just(Base(NEVER, NONE)),
    st.builds(Base, stamps, st.just(PLAIN), values),
    st.builds(Base, stamps, st.sampled_from((HASH, DELETED)), st.just(b"")),
)
fields = st.one_of(
    st.builds(Field, stamps, st.just(True), values),
    st.builds(Field, stamps, st.just(False), st.just(b"")),
)
deadlines = st.one_of(
    st.just(Deadline()),
    st.builds(Deadline, stamps, st.integers(BEGIN - 5, BEGIN + 5)),
)
states = st.builds(
    lambda base, some, deadline: normal(base, some, State(deadline=deadline)),
    bases,
    st.dictionaries(st.sampled_from((b"a", b"b", b"c")), fields, max_size=3),
    deadlines,
)
