"""What messages hold: every input that they name, marked for the log to spell; and never a secret."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator

import pytest

from plugin import inputs
from plugin.errors import InputError, Problem
from plugin.log import Log
from plugin.redact import Redactor
from tests.unit.rules.tree import MODULES, parsed

# The sandbox's texts are not for our users; the others' are of the time before there is a log.
SPEAKS_OTHERWISE = {"sandbox", "prepare", "packages", "load"}


def test_every_text_marks_the_inputs_that_it_names() -> None:
    """As `§api-token§`: the log spells it the way its user writes it. A bare name is right on GitHub alone."""
    bare = [
        f"{module}:{line}: {text}"
        for module, path in MODULES.items()
        if module.partition("/")[0] not in SPEAKS_OTHERWISE
        for line, text in _texts(parsed(path))
        if _names_an_input(text)
    ]
    assert bare == []
    spellers = {name for name, path in MODULES.items() if re.search(r"\bspelled\(", path.read_text(encoding="utf-8"))}
    assert spellers == {"errors", "log"}


@pytest.mark.parametrize(
    ("text", "is_bare"),
    [
        ("; it continues: increase timeout", True),
        ("to repeat it, set on-doubt to repeat", True),
        ("'receipt: cannot write '", True),
        ("unless `match` is given", True),
        ("log-file is a folder", True),
        ("log-file", False),
        ("set §on-doubt§ to repeat, or increase §timeout§", False),
        ("ca-bundle.pem and no-log-file", False),
        ("the timeout has passed", False),
    ],
)
def test_a_bare_input_in_a_text_is_noticed(text: str, is_bare: bool) -> None:
    assert _names_an_input(text.strip("'")) is is_bare


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every text in the code, docstrings apart."""
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    docstrings = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def _names_an_input(text: str) -> bool:
    """Whether a text, unlike a key, names an input without its marks; names of one word are also plain words."""
    names = list(inputs.inputs())
    told = re.sub(r"§[^§\s]+§", "", text)
    if told in names:
        return False
    hyphened = "|".join(name for name in names if "-" in name)
    every = "|".join(names)
    return bool(
        re.search(rf"(?<![\w.-])({hyphened})(?![\w-]|\.\w)", told)
        or re.search(rf"`({every})`|\b(set|increase|lower|give) ({every})\b|^({every})(: | is )", told)
    )


def test_the_log_spells_what_a_text_marks() -> None:
    stream = io.StringIO()
    log = Log(stream, Redactor(), spell=lambda name: f"--{name}")
    log.line(f"{InputError(Problem('log-file', 'is a folder'))}; increase §timeout§; § 5 stays, and so does §§")
    assert stream.getvalue() == "--log-file: is a folder; increase --timeout; § 5 stays, and so does §§\n"
    assert log.one_line("increase §timeout§") == "increase --timeout"


def test_a_mark_in_a_services_text_reveals_no_secret() -> None:
    stream = io.StringIO()
    log = Log(stream, Redactor(), spell=str.upper)
    log.redact.add("toKen")
    log.line("to§k§en §toKen§")
    assert stream.getvalue() == "*** ***\n"


@pytest.mark.parametrize("secret", [field.name for field in inputs.inputs().values() if field.secret])
@pytest.mark.parametrize("service", inputs.services())
def test_no_message_about_inputs_holds_a_secret(secret: str, service: str) -> None:
    value = "s3cr3t wïth spaces\nand a second line"
    for operation in (*inputs.services()[service], "no-such-operation"):
        raw = dict.fromkeys(inputs.inputs(), "x y")
        raw |= {"service": service, "operation": operation, secret: value, f"{secret}x": value}
        _, problems, ignored = inputs.check(raw)
        assert problems
        assert "s3cr3t" not in "\n".join((*map(str, problems), *ignored))
