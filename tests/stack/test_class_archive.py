from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from infra.base.settings import load_settings
from infra.local.stack import Stack, embedded_stack
from infra.local.stack.jars import jar_directory


@pytest.mark.release
async def test_the_first_start_writes_an_archive_of_classes_and_the_next_one_maps_it(
    stack: Stack, tmp_path: Path
) -> None:
    (cache := tmp_path / "cache").mkdir()
    jar_directory(cache).symlink_to(jar_directory(stack.settings.cache_dir))
    settings = load_settings(
        state_dir=tmp_path / "state",
        cache_dir=cache,
        postgres_dsn=stack.endpoints.postgres_dsn,
        redis_url=stack.endpoints.redis_url,
    )
    for _ in range(2):
        async with embedded_stack(settings) as small:
            [archive] = cache.glob("*.aot")
            assert str(archive) in {mapped.path for mapped in psutil.Process(small.kafka.pid).memory_maps()}
