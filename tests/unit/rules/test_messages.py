"""What messages hold: an input's name put there in one place, and never a secret."""

from __future__ import annotations

import ast
import re

import pytest

from plugin import inputs
from tests.unit.rules.tree import MODULES, parsed


def test_an_input_errors_text_leaves_the_name_to_one_place() -> None:
    """A Problem carries the input's name, and its user's spelling is put in front of it in run.py alone."""
    raised = 0
    for module, path in MODULES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "InputError":
                raised += 1
                texts = [ast.unparse(each) for each in node.args if isinstance(each, ast.Constant | ast.JoinedStr)]
                assert [text for text in texts if _names_an_input(text)] == [], f"{module}:{node.lineno}"
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
                assert not _names_an_input(ast.unparse(node.args[1])), f"{module}:{node.lineno}"
    assert raised > 10
    spellers = {name for name, path in MODULES.items() if ".spelled(" in path.read_text(encoding="utf-8")}
    assert spellers == {"errors", "run", "services/service"}


def _names_an_input(source: str) -> bool:
    names = "|".join(map(re.escape, inputs.inputs()))
    return bool(re.match(rf"""f?['"]({names}|\{{name\}}|\{{field\.name\}})(:| is )""", source))


@pytest.mark.parametrize("secret", [field.name for field in inputs.inputs().values() if field.secret])
@pytest.mark.parametrize("service", inputs.services())
def test_no_message_about_inputs_holds_a_secret(secret: str, service: str) -> None:
    value = "s3cr3t wïth spaces\nand a second line"
    for operation in (*inputs.services()[service], "no-such-operation"):
        raw = dict.fromkeys(inputs.inputs(), "x y")
        raw |= {"service": service, "operation": operation, secret: value, f"{secret}x": value}
        _, problems, ignored = inputs.check(raw)
        assert problems
        assert "s3cr3t" not in "\n".join((*(problem.spelled(str) for problem in problems), *ignored))
