"""Woodpecker, Drone and Harness: the page for Woodpecker's index of plugins, which shows it to its users."""

from __future__ import annotations

import json
from pathlib import Path

from plugin import inputs
from plugin.inputs import Field
from scripts.parts import HOME, SUMMARY
from scripts.words import about, code, text_of

IMAGE = "ghcr.io/OWNER/buildferry"
EXAMPLE = "examples/woodpecker/app-distribution.yml"
ABOUT = {
    "name": "buildferry",
    "icon": f"{HOME.replace('github.com', 'raw.githubusercontent.com')}/v1/assets/icon.svg",
    "description": f"{SUMMARY}.",
    "author": "OWNER",
    "tags": ["deploy", "publish", "android", "ios", "mobile", "bitrise"],
    "containerImage": IMAGE,
    "containerImageUrl": f"{HOME}/pkgs/container/buildferry",
    "url": HOME,
}
OUTPUT_FILE = (code("output-file"), "", "Path of a JSON file that gets all outputs.")  # no input: the host's own
TEXT = """
# buildferry

{summary}:
{services}.

```yaml
{example}```

- `service` and `operation` say what to do; the tables of each service in the documentation say which settings it takes.
- A list may be a YAML list, or a text with one item a line. A file whose name has a comma is found by that name. If an
  item of another list has a comma, write the list as text (`|`).
- `environment` and `secrets` may be maps, whose values may be of several lines and use `from_secret`.
- `output-file` is the path of a JSON file in the workspace that gets all outputs, for later steps. On Harness the
  step's output variables hold them too.

## Settings

{settings}
## Outputs

{outputs}"""


def made(root: Path) -> dict[str, str]:
    """Return the page."""
    from scripts.tables import table  # which imports all these modules

    front = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in ABOUT.items())
    rows = [(code(field.name), code(text_of(field.default)), _said(field)) for field in inputs.inputs().values()]
    text = TEXT.format(
        summary=SUMMARY,
        services=", ".join(inputs.about_service(service)[0] for service in inputs.services()),
        example=(root / EXAMPLE).read_text(encoding="utf-8"),
        settings=table(("setting", "default", "what it is"), [*rows, OUTPUT_FILE]),
        outputs=table(
            ("output", "what it is"), [(code(field.name), field.description) for field in inputs.outputs().values()]
        ),
    )
    return {"templates/woodpecker/docs.md": f"---\n{front}---\n{text}"}


def _said(field: Field) -> str:
    return ("Secret: use `from_secret`. " if field.secret else "") + about(field)
