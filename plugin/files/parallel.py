"""Several transfers at a time; the first that fails stops the others."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

TICK = 0.5  # seconds; on Windows a wait without a limit ignores signals
GRACE = 5.0  # seconds for the other transfers to stop, after one failed
CANCEL_GRACE = 0.5  # the same, after the job was cancelled: enough to remove a partial file
T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):  # noqa: N818 - not an error itself: another transfer's error is the one to raise
    """This transfer ended because another one failed."""


def in_parallel(
    items: Sequence[T],
    work: Callable[[T, threading.Event], R],
    limit: int,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[R]:
    """Call `work(item, stop)` for all items, `limit` at a time; return the results in the items' order.

    `meanwhile` is called every TICK in which none of them ends. The first error sets `stop`, which the others check
    between two blocks, and is raised when they have stopped. The threads are daemons, so that a cancelled run need not
    wait for a stalled connection.
    """
    stop = threading.Event()
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[int, R | None, BaseException | None]] = queue.SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)

    def worker() -> None:
        with contextlib.suppress(queue.Empty):
            while not stop.is_set():
                index = waiting.get_nowait()
                try:
                    ended.put((index, work(items[index], stop), None))
                except BaseException as error:
                    ended.put((index, None, error))  # before the others see `stop`, so that this error comes first
                    stop.set()

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(limit, len(items)))]
    results: dict[int, Any] = {}
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(items):
            try:
                index, result, error = ended.get(timeout=TICK)
            except queue.Empty:
                meanwhile()
                continue
            if error is not None:
                raise error
            results[index] = result
    except BaseException as error:
        stop.set()
        grace = GRACE if isinstance(error, Exception) else CANCEL_GRACE
        for thread in threads:
            with contextlib.suppress(RuntimeError):  # it has not been started: a signal came before that
                thread.join(grace / len(threads))
        raise
    return [results[index] for index in range(len(items))]
