from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.admin import RunningAdmin, running_admin


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[RunningAdmin]:
    async with running_admin(tmp_path) as running:
        yield running
