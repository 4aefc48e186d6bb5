"""Progress of files that are moved together: one line for all of them, and nothing in it that is not so."""

from __future__ import annotations

import io
import re
import threading

import pytest

from plugin.files.progress import SMALLEST
from tests.unit.files.test_progress import MB, Terminal, Watch


def test_a_ci_log_has_one_line_for_all_parallel_transfers() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    sizes = {"out/a.apk": 100 * MB, "out/b.ipa": 300 * MB}
    with progress.together(sizes), progress.of("out/a.apk", 100 * MB) as a, progress.of("out/b.ipa", 300 * MB) as b:
        for watch.now in range(1, 101):
            b(int(watch.now) * 3 * MB)
            a(int(watch.now) * MB)
    assert watch.lines == [
        "2 files:  29% of 400.0 MB, 4.0 MB/s, 1 min 11 s left",
        "2 files:  59% of 400.0 MB, 4.0 MB/s, 41 s left",
        "2 files:  89% of 400.0 MB, 4.0 MB/s, 11 s left",
    ]


def test_what_waits_for_its_turn_counts_for_the_time_left() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    with progress.together({"a": 100 * MB, "b": 300 * MB}), progress.of("a", 100 * MB) as moved:
        watch.now = 40
        moved(80 * MB)
    assert watch.lines == ["2 files:  20% of 400.0 MB, 2.0 MB/s, 2 min 40 s left"]


def test_a_terminal_has_the_line_below_the_bars_while_two_are_unfinished() -> None:
    watch = Watch(Terminal())
    progress = watch.progress()
    with progress.together({"a.apk": 10 * MB, "b.ipa": 20 * MB}):
        with progress.of("a.apk", 10 * MB) as a, progress.of("b.ipa", 20 * MB) as b:
            watch.now = 1
            a(10 * MB)
            watch.now = 2
            b(10 * MB)
            assert watch.shown == [
                "[########################] a.apk: 100% of 10.0 MB",
                "[############............] b.ipa:  50% of 20.0 MB, 5.0 MB/s, 2 s left",
                "2 files:  66% of 30.0 MB, 10.0 MB/s, 1 s left",
            ]
        progress.whole("a.apk")
        with progress.of("b.ipa", 20 * MB, 10 * MB) as b:
            watch.now = 4
            b(15 * MB)
            assert watch.shown == ["[##################......] b.ipa:  75% of 20.0 MB, 2.5 MB/s, 2 s left"]
    assert watch.shown == []


def test_without_all_sizes_there_is_neither_a_share_nor_a_time_left() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    with progress.together({"a": 100 * MB, "b": None}), progress.of("a", 100 * MB) as a, progress.of("b", None) as b:
        watch.now = 40
        a(30 * MB)
        b(10 * MB)
        watch.now = 80
        a(60 * MB)
    assert watch.lines == ["2 files: 30.0 MB, 750.0 kB/s", "2 files: 70.0 MB, 1.0 MB/s"]


def test_a_single_file_without_a_size_is_shown_too() -> None:
    watch = Watch(io.StringIO())
    with watch.progress().of("build.log", None) as moved:
        for watch.now in range(1, 300):
            moved(int(watch.now) * MB)
    assert watch.lines[0] == "build.log: 30.0 MB, 1.0 MB/s"
    assert len(watch.lines) == 9


def test_an_answer_corrects_the_size_that_the_list_had() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    with progress.together({"a": 100 * MB, "b": 100 * MB}), progress.of("a", 60 * MB) as moved:
        watch.now = 40
        moved(40 * MB)
    assert watch.lines == ["2 files:  25% of 160.0 MB, 1.0 MB/s, 2 min left"]


def test_what_the_service_has_already_is_not_counted_as_missing() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    with progress.together({"a": 100 * MB, "b": 100 * MB}), progress.of("b", 100 * MB) as moved:
        progress.whole("a")
        watch.now = 40
        moved(80 * MB)
    assert watch.lines == ["2 files:  80% of 100.0 MB, 2.0 MB/s, 10 s left"]


def test_bytes_of_an_earlier_run_count_for_the_share_but_not_the_rate() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    with progress.together({"a": 100 * MB, "b": 100 * MB}), progress.of("a", 100 * MB, 60 * MB) as moved:
        watch.now = 40
        moved(100 * MB)
    assert watch.lines == ["2 files:  50% of 200.0 MB, 1.0 MB/s, 1 min 40 s left"]


def test_a_new_attempt_lowers_the_share_but_not_the_rate() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    with progress.together({"a": 100 * MB, "b": 100 * MB}):
        for _ in range(3):
            with progress.of("a", 100 * MB) as moved:
                for part in range(1, 9):
                    watch.now += 5
                    moved(part * 10 * MB)
    shares = [int(share) for line in watch.lines for share in re.findall(r"(\d+)%", line)]
    assert shares == [30, 20, 10, 40]
    assert all("2.0 MB/s" in line for line in watch.lines), watch.lines


def test_an_attempt_that_continues_counts_no_byte_twice() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    with progress.together({"a": 100 * MB, "b": 100 * MB}):
        for before in (40, 60):
            with progress.of("a", 100 * MB, before * MB) as moved:
                watch.now += 20
                moved((before + 20) * MB)
    assert watch.lines == ["2 files:  40% of 200.0 MB, 1.0 MB/s, 2 min left"]


def test_a_stall_shows_in_the_rate_of_the_last_seconds() -> None:
    watch = Watch(Terminal())
    progress = watch.progress()
    with progress.together({"a": 100 * MB, "b": 100 * MB}), progress.of("a", 100 * MB) as moved:
        for watch.now in range(1, 31):
            moved(int(watch.now) * MB)
        assert watch.shown[-1] == "2 files:  15% of 200.0 MB, 1.0 MB/s, 2 min 50 s left"
        for watch.now in range(31, 47):
            progress.refresh()
        assert watch.shown[-1] == "2 files:  15% of 200.0 MB, 0 bytes/s"


@pytest.mark.parametrize(
    ("done", "line"),
    [
        (199_999_999, "2 files:  99% of 200.0 MB, 5.0 MB/s, 1 s left"),
        (200 * MB, "2 files: 100% of 200.0 MB"),
        (250 * MB, "2 files: 100% of 250.0 MB"),  # more than the service said
    ],
)
def test_a_line_never_shows_an_end_that_is_not_reached(done: int, line: str) -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    with progress.together({"a": 100 * MB, "b": 100 * MB}):
        with progress.of("a", 100 * MB) as moved:
            moved(100 * MB)
        with progress.of("b", 100 * MB) as moved:
            watch.now = 40
            moved(done - 100 * MB)
    assert watch.lines == [line]


def test_the_first_second_has_no_rate_as_buffers_take_its_bytes() -> None:
    watch = Watch(Terminal())
    with watch.progress().of("a.apk", 100 * MB) as moved:
        watch.now = 0.9
        moved(5 * MB)
        assert watch.shown == ["[#.......................] a.apk:   5% of 100.0 MB"]


@pytest.mark.parametrize(("count", "shown"), [(9, []), (11, ["11 files:  90% of 1.2 MB, 100.0 kB/s, 2 s left"])])
def test_small_files_have_a_line_only_if_they_are_much_together(count: int, shown: list[str]) -> None:
    watch = Watch(Terminal())
    progress = watch.progress()
    size = SMALLEST // 10
    with progress.together({f"{index}.txt": size for index in range(count)}):
        for index in range(count - 1):
            with progress.of(f"{index}.txt", size) as moved:
                watch.now += size / 100_000
                moved(size)
        assert watch.shown == shown


def test_files_of_one_name_in_two_folders_are_two() -> None:
    watch = Watch(Terminal())
    progress = watch.progress()
    arm, x86 = "arm/app.apk", "x86/app.apk"
    with (
        progress.together({arm: 10 * MB, x86: 20 * MB}),
        progress.of(arm, 10 * MB) as first,
        progress.of(x86, 20 * MB) as second,
    ):
        first(5 * MB)
        watch.now = 0.5
        second(5 * MB)
        assert [line.rpartition("] ")[2] for line in watch.shown] == [
            "app.apk:  50% of 10.0 MB",
            "app.apk:  25% of 20.0 MB",
            "2 files:  33% of 30.0 MB",
        ]


def test_a_bar_keeps_its_length_while_its_figures_change() -> None:
    watch = Watch(Terminal(), columns=80)
    with watch.progress().of("artifact-1.apk", 100 * MB) as moved:
        for watch.now in range(1, 400):
            moved(min(int(watch.now), 10) * MB if watch.now < 30 else int(watch.now) * MB // 4)
    assert {len(bar) for bar in re.findall(r"\[([#.]+)\]", watch.stream.getvalue())} == {12}
    assert max(len(line.rpartition("\x1b[J")[2]) for line in watch.lines) < 80


def test_a_transfer_that_is_not_waited_for_leaves_no_bar() -> None:
    watch = Watch(Terminal())
    progress = watch.progress()
    with progress.together({"a": 10 * MB, "b": 10 * MB}):
        stalled = progress.of("a", 10 * MB)
        moved = stalled.__enter__()
        moved(5 * MB)
        assert watch.shown
    assert watch.shown == []
    watch.now = 1
    moved(6 * MB)
    stalled.__exit__(None, None, None)
    assert watch.shown == []


def test_threads_that_move_bytes_together_lose_none() -> None:
    watch = Watch(io.StringIO())
    progress = watch.progress()
    keys = [f"{number}.apk" for number in range(8)]

    def move(key: str) -> None:
        for _ in range(20):
            with progress.of(key, 100 * MB) as moved:
                for part in range(1, 101):
                    moved(part * MB)

    with progress.together(dict.fromkeys(keys, 100 * MB)):
        threads = [threading.Thread(target=move, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with progress.of(keys[0], 100 * MB, 50 * MB):
            watch.now = 100
            progress.refresh()
    assert watch.lines == ["8 files:  93% of 800.0 MB, 160.0 MB/s, 1 s left"]  # each was moved 20 times
