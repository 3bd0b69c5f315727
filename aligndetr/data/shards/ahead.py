"""Fetching shards before their images are wanted."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from aligndetr.data.samplers import Sample
from aligndetr.data.shards.layout import Layout
from aligndetr.data.shards.mirroring import fetch_shard
from aligndetr.errors import UserError

logger = logging.getLogger(__name__)

Request = TypeVar("Request", bound=tuple[int, list[Sample]])


def fetched_ahead(requests: Iterator[Request], layout: Layout, ahead: int) -> Iterator[Request]:
    """Pass requests on; a thread fetches the shards of those that follow, in their order.

    What it cannot fetch is left to whoever reads it, who says so.

    Args:
        requests: endless pairs of a number and samples.
        layout: of the dataset.
        ahead: how many requests are looked at before one is passed on.
    """
    waiting: deque[Request] = deque()
    asked: set[tuple[int, int]] = set()
    pool = ThreadPoolExecutor(1, thread_name_prefix="shards")
    try:
        for request in requests:
            for epoch, index, *_ in request[1]:
                wanted = epoch, int(layout.shards[index])
                if wanted not in asked:
                    asked.add(wanted)
                    pool.submit(_fetch, layout.paths[wanted[1]])
            waiting.append(request)
            if len(waiting) > ahead:
                yield waiting.popleft()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _fetch(path: Path) -> None:
    try:
        fetch_shard(path)
    except (OSError, UserError) as error:
        logger.debug("not fetched ahead: %s", error)
