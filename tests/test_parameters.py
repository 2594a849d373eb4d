from __future__ import annotations

from pathlib import Path

import pytest

from steer import parameters
from steer.config import load

CONFIG = Path(__file__).parents[1] / "config"
EXAMPLES = sorted(set(CONFIG.glob("*.yaml")) - {CONFIG / "reference.yaml"})  # that one is a list of keys


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_node_s_index_is_its_place_among_all_nodes(file: Path) -> None:
    config = load(file, {}, check_files=False)
    names = [node.name for pool in config.pools.values() for members in pool.nodes.values() for node in members]
    nodes = [node for pool in config.pools for node in parameters.topology(config).pools[pool].nodes]
    assert [node.name for node in nodes] == names
    assert [node.index for node in nodes] == list(range(len(names)))
