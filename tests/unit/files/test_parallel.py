"""Several transfers at a time: in order, within the limit, and ended by the first that fails."""

from __future__ import annotations

import threading
import time

import pytest

from plugin.errors import Cancelled, PluginError, RefusedError, UnavailableError
from plugin.files.parallel import Stopped, in_parallel


def test_results_come_in_the_order_of_the_items_not_of_their_ends() -> None:
    def work(item: int, _: threading.Event) -> int:
        time.sleep((3 - item) * 0.02)
        return item * 10

    assert in_parallel(range(4), work, 4) == [0, 10, 20, 30]


def test_no_more_are_at_work_at_a_time_than_the_limit_and_all_are_daemons() -> None:
    lock = threading.Lock()
    at_work, most = set(), 0
    daemons = set()

    def work(item: int, _: threading.Event) -> None:
        nonlocal most
        with lock:
            at_work.add(item)
            most = max(most, len(at_work))
            daemons.add(threading.current_thread().daemon)
        time.sleep(0.01)
        with lock:
            at_work.remove(item)

    in_parallel(range(12), work, 3)
    assert most == 3
    assert daemons == {True}


def test_the_first_error_stops_the_rest_and_is_the_one_that_is_raised() -> None:
    begun: list[int] = []

    def work(item: int, stop: threading.Event) -> None:
        begun.append(item)
        if item == 1:
            raise RefusedError("the first")
        assert stop.wait(5)
        raise Stopped if item else UnavailableError("a later one")

    with pytest.raises(RefusedError, match="the first"):
        in_parallel(range(20), work, 3)
    assert len(begun) <= 3


def test_an_error_does_not_wait_forever_for_unresponsive_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugin.files.parallel.GRACE", 0.1)
    ended = threading.Event()

    def work(item: int, _: threading.Event) -> None:
        if item:
            raise RefusedError("refused")
        ended.wait(10)

    started = time.monotonic()
    with pytest.raises(RefusedError):
        in_parallel(range(2), work, 2)
    assert time.monotonic() - started < 5
    ended.set()


def test_an_empty_list_of_work_returns_no_results() -> None:
    assert in_parallel([], lambda item, _: item, 4) == []


def test_a_transfer_stopped_by_another_is_not_a_users_error() -> None:
    assert not issubclass(Stopped, PluginError)


def test_a_signal_between_two_starts_is_what_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, list[threading.Thread]()

    def start_one(thread: threading.Thread) -> None:
        if started:
            raise Cancelled(15)
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    with pytest.raises(Cancelled):
        in_parallel(range(3), lambda _item, stop: stop.wait(5), 3)


def test_who_waits_is_called_while_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugin.files.parallel.TICK", 0.01)
    called = threading.Event()
    assert in_parallel([1], lambda _item, _stop: called.wait(5), 1, called.set) == [True]
