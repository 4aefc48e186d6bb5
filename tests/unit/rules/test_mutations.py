"""Each rule catches what it is there for: the code is broken on purpose, in a copy of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from plugin import services
from tests.unit.rules import test_facts, test_layers, test_messages, test_sizes
from tests.unit.rules.tree import MODULES

# A module, a line of it, what stands in its place, and the rule that says no.
MUTATIONS: dict[str, tuple[str, str, str, Callable[[str], None]]] = {
    "click in rest/": (
        "rest/client",
        "from requests import Response\n",
        "import click\nfrom requests import Response\n",
        test_layers.test_each_package_of_others_has_one_place,
    ),
    "an import from above": (
        "rest/client",
        "from plugin import address\n",
        "from plugin import address, run\n",
        test_layers.test_modules_import_only_from_layers_below,
    ),
    "a service that knows another": (
        "services/app_distribution",
        "from plugin.services.delivery import resume, upload_all\n",
        "from plugin.services.bitrise.lists import listed\n",
        test_layers.test_a_service_knows_no_other_service,
    ),
    "a variable read by a service": (
        "services/app_distribution",
        "    resume(job)\n",
        '    os.environ["PHASE"]\n',
        lambda _module: test_facts.test_only_the_entry_reads_the_environment_and_the_arguments(),
    ),
    "a name that says nothing": (
        "wait",
        "class Pace:\n",
        "class Manager:\n",
        lambda _module: test_sizes.test_nothing_has_a_name_that_says_nothing(),
    ),
    "an error that names its input itself": (
        "hosts/publisher",
        "        self._host = host\n",
        '        raise InputError("timeout: is too long")\n',
        lambda _module: test_messages.test_every_text_marks_the_inputs_that_it_names(),
    ),
    "a line that names an input without its marks": (
        "services/delivery",
        "because §on-doubt§ is repeat",
        "because on-doubt is repeat",
        lambda _module: test_messages.test_every_text_marks_the_inputs_that_it_names(),
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_is_caught(mutation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, before, after, rule = MUTATIONS[mutation]
    rule(module)
    text = MODULES[module].read_text(encoding="utf-8")
    assert before in text
    broken = tmp_path / "broken.py"
    broken.write_text(text.replace(before, after), encoding="utf-8")
    monkeypatch.setitem(MODULES, module, broken)
    with pytest.raises(AssertionError):
        rule(module)


def test_an_undeclared_operation_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = services.named("app-distribution").operations
    monkeypatch.setitem(cast(dict[str, object], operations), "abort", operations["deliver"])
    with pytest.raises(AssertionError):
        test_facts.test_a_service_has_exactly_the_operations_of_the_schema("app-distribution")


def test_a_long_file_and_a_long_line_are_caught() -> None:
    texts = {"a.groovy": "x\n" * 300, "b.yml": "x\n" * 301, "c.sh": "x" * 120, "d.sh": "\n" + "x" * 121}
    assert test_sizes.long_files(texts) == ["b.yml: 301 lines"]
    assert test_sizes.long_lines(texts) == ["d.sh:2: 121 characters"]


@pytest.mark.parametrize(("count", "is_caught"), [(5, False), (6, True)])
def test_a_pair_is_caught(tmp_path: Path, count: int, is_caught: bool) -> None:
    for name in ("one.py", "two.py"):
        same = "".join(f"    total += amount_{number}\n" for number in range(count))
        text = f"def {name[:3]}() -> int:\n    total = len({name!r})\n{same}    return total * len('of {name}')\n"
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert bool(test_sizes.pairs(tmp_path.iterdir())) is is_caught
