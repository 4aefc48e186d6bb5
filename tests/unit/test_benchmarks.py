"""What the benchmarks measured is kept as it is, and the page and the plots say the same."""

from __future__ import annotations

import hashlib
import re
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import __main__ as entry
from benchmarks import page, plots, results, sink
from benchmarks.results import Figure, Machine, Peak, Record, Result, Seconds
from benchmarks.row import MIB, Row
from tests.unit.rules.tree import ROOT

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = Machine(2, "A Processor", "Linux", "3.11.7", "7.88.1", "3.0.19", 0.5)
MET = Figure("http", "`curl`", 0.64, aim=0.65, seconds=Seconds(1.09, 1.7, 1.49, 0.2, 1024 * MIB))
MISSED = Figure("https", "`curl`", 1.04, aim=0.9, seconds=Seconds(1.8, 1.73, 2.0, 0.4, 1024 * MIB))
CHECKED = replace(MET, what="https, MD5 announced and checked", aim=None)
LOG = Figure("http", "`curl`", 210.5, aim=3.0, seconds=Seconds(42.1, 0.2, 42.0, 0.1, 200 * 10**6))
PEAKS = tuple(
    Peak(way, size * MIB, 38.25)
    for size in (16, 128, 512, 1024, 2048, 4096)
    for way in ("PUT", "multipart", "download")
)
ROWS = {
    name: Record(title, 5, MACHINE, Result(figures, ("buildferry run",), ("A note.",), peaks))
    for name, title, figures, peaks in (
        ("put", "1 GiB by PUT", (MET, MISSED, CHECKED), ()),
        ("log", "200 MB log, shown", (LOG,), ()),
        ("memory", "Memory with larger files", (), PEAKS),
    )
}
PICTURES = [(name, svg) for name, (_, schemes) in plots.drawn(ROWS).items() for svg in schemes.values()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A page without results."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / page.PAGE).write_text((ROOT / page.PAGE).read_text(encoding="utf-8"), encoding="utf-8")
    results.write(tmp_path, {})
    return tmp_path


def test_what_is_written_is_read_again(root: Path) -> None:
    results.write(root, ROWS)
    assert results.read(root) == ROWS


def test_without_results_the_page_says_so_and_has_no_plots(root: Path) -> None:
    assert list(page.made(root)) == [page.PAGE]
    assert page.made(root)[page.PAGE].count("Not measured yet") == 2


def test_the_page_holds_all_rows_and_all_plots(root: Path) -> None:
    results.write(root, ROWS)
    page.write(root)
    text = (root / page.PAGE).read_text(encoding="utf-8")
    assert re.findall("^### (.*)", text, re.MULTILINE) == [row.title for row in ROWS.values()]
    named = {f"benchmarks/{name}" for name in re.findall(r'src(?:set)?="(.*?)"', text)}
    assert named == {path for path in page.made(root) if path.endswith(".svg")}
    assert all((root / name).is_file() for name in named) and len(named) == 4


def test_a_met_aim_says_how_far_the_bound_is() -> None:
    text = page.section(replace(ROWS["put"], result=replace(ROWS["put"].result, figures=(MET,))))
    work = "(1.49 s of ours + 0.20 s of the sink) ÷ 2 processors"
    assert f"- http: the bound is 0.84 s, {work}; ours takes 1.09 s, 29% above it.\n" in text


def test_a_missed_aim_says_what_it_would_need() -> None:
    text = page.section(ROWS["put"])
    assert "ours takes 1.80 s, 50% above it; the aim would need 1.56 s, 30% above it.\n" in text


@pytest.mark.parametrize(
    ("figure", "sentence"),
    [
        (Figure("start", "x", 1.2, aim=1.0, seconds=Seconds(0.6, 0.5, 1.0)), "aim would need 0.50 s, 0% above it"),
        (Figure("start", "x", 0.9, aim=1.0, seconds=Seconds(0.6, 0.5, 1.0)), ""),
        (Figure("peak", "", 50.0, "MiB", 48.0), ""),
        (
            Figure("times", "x", 2.0, aim=4.0, is_floor=True, seconds=Seconds(1, 2, 1)),
            "aim would need 0.50 s, 0% above",
        ),
        (
            Figure("wire", "x", 2.0, aim=1.5, seconds=Seconds(2, 1, 2, is_part=True)),
            "bound of the whole process is 1.00",
        ),
    ],
)
def test_only_transfers_and_missed_times_have_a_bound(figure: Figure, sentence: str) -> None:
    text = page.section(replace(ROWS["put"], result=Result((figure,), ())))
    assert (sentence in text) if sentence else ("bound" not in text)


@pytest.mark.parametrize(("name", "svg"), PICTURES)
def test_a_picture_names_its_result_and_is_small(name: str, svg: str) -> None:
    drawing = _parsed(svg)
    title = drawing.find(f"{SVG}title")
    assert title is not None and title.text == plots.drawn(ROWS)[name][0]
    assert ("42.10 s against 0.20 s, bound 21.05 s" if name == plots.SPEED else "PUT 38.2 to 38.2 MiB") in title.text
    assert len(svg.encode()) < 40_000


def test_a_bar_is_as_long_as_its_time() -> None:
    drawing = _parsed(PICTURES[0][1])
    bars = [float(bar.attrib["width"]) for bar in drawing.iter(f"{SVG}rect") if float(bar.get("x", 0)) == plots.LABELS]
    scale = bars[0] / 1.09
    assert bars[:6] == pytest.approx([scale * each for each in (1.09, 1.7, 0.845, 1.8, 1.73, 1.2)], abs=0.2)


@pytest.mark.parametrize(("name", "svg"), PICTURES)
def test_no_two_words_in_a_picture_overlap(name: str, svg: str) -> None:
    boxes = [_extent(text) for text in _parsed(svg).iterfind(f"{SVG}text")]
    for number, (left, right, y) in enumerate(boxes):
        assert left >= 0 and right <= _edge(name, left, y)
        for other_left, other_right, other_y in boxes[:number]:
            assert abs(y - other_y) >= 11 or right <= other_left or other_right <= left, (name, left, y)


def _edge(name: str, left: float, y: float) -> int:
    """Where a text has to end: what is left of the bars, before them."""
    is_label = name == plots.SPEED and left == plots.MARGIN and y > 70
    return plots.LABELS if is_label else plots.WIDTH


def _parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - our own


def _extent(text: ElementTree.Element) -> tuple[float, float, float]:
    """Where a text begins and ends, with letters of a common width, and its height."""
    width = len(text.text or "") * float(text.attrib["font-size"]) * 0.56
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[text.attrib.get("text-anchor", "start")]
    left = float(text.attrib["x"]) - share * width
    return left, left + width, float(text.attrib["y"])


@pytest.mark.parametrize(("size", "written"), [("1", []), ("1024", ["builds"])])
@pytest.mark.real_sockets
def test_only_the_real_size_is_written(
    root: Path, monkeypatch: pytest.MonkeyPatch, size: str, written: list[str]
) -> None:
    monkeypatch.setattr(entry, "ROOT", root)
    monkeypatch.setitem(entry.ROWS, "builds", Row("Only here", lambda _bench: Result((MET,), ())))
    assert entry.main(["builds", "--size", size]) == 0
    assert list(results.read(root)) == written
    assert ("### Only here" in (root / page.PAGE).read_text(encoding="utf-8")) == bool(written)


@pytest.mark.real_sockets
def test_a_row_that_fails_leaves_the_others_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_bench: object) -> Result:
        raise RuntimeError("curl exited with 7")

    monkeypatch.setattr(entry, "ROOT", root)
    monkeypatch.setitem(entry.ROWS, "put", Row("Put", fails))
    monkeypatch.setitem(entry.ROWS, "builds", Row("Many", lambda _bench: Result((MET,), ())))
    assert entry.main(["put", "builds"]) == 1
    assert list(results.read(root)) == ["builds"]
    assert "put: failed: curl exited with 7" in capsys.readouterr().out


@pytest.fixture
def drain(tmp_path: Path) -> Iterator[sink.Sink]:
    """A running sink."""
    with sink.running(tmp_path) as running:
        yield running


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.real_sockets
def test_the_sink_sends_a_file_and_counts_what_it_takes(drain: sink.Sink, tmp_path: Path, scheme: str) -> None:
    file = tmp_path / "file.bin"
    file.write_bytes(hashlib.shake_256(b"x").digest(3 * MIB + 1))
    drain.set(download=file)
    trust = ssl.create_default_context(cafile=drain.authority)
    with urllib.request.urlopen(f"{drain.urls[scheme]}/v0.1/apps/a/builds/b/log", context=trust) as answer:
        assert f'"expiring_raw_log_url": "{drain.urls[scheme]}/download"' in answer.read().decode()
    with urllib.request.urlopen(f"{drain.urls[scheme]}/download", context=trust) as answer:
        assert answer.read() == file.read_bytes()
    taken = drain.taken()
    assert [request.path for request in taken.requests] == ["/v0.1/apps/a/builds/b/log", "/download"]
    assert 0 < taken.cpu < 5
    assert drain.taken().requests == []
