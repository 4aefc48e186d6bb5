"""What is attacked: each trial of the sandbox that is not about waiting, its inputs, its requests, and what is held."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugin.inputs.fields import used_by
from plugin.sandbox import SERVICES
from plugin.sandbox.service import Service
from plugin.sandbox.trial import Thing, Trial

FILES = {
    "a.apk": b"PK\x03\x04" + b"a" * 400_000,
    "b.apk": b"PK\x03\x04" + b"b" * 100_000,
    "www.zip": b"PK\x03\x04" + b"w" * 200_000,
    "a.key": b"a key",
}
ARTIFACTS = ((), ("www.zip",), ("a.apk", "b.apk"))  # by how many a trial takes
CROWD = "crowd"  # the branch of builds that others started


@dataclass(frozen=True)
class Subject:
    """One operation of one service."""

    name: str
    service: str
    inputs: Mapping[str, Any]
    makes: Sequence[str]  # the requests that make something, as fault rules name them
    held: Callable[[Any], list[Thing]]  # from the service's part of the sandbox's state
    wanted: Sequence[str]  # the names of the things that are to be there, each once

    @property
    def takes_receipt(self) -> bool:
        """Whether the operation can keep a receipt."""
        return "receipt" in used_by(self.service, self.inputs["operation"])


def lay_out(folder: Path) -> None:
    """Write the files that subjects deliver."""
    for name, data in FILES.items():
        (folder / name).write_bytes(data)


def _subject(service: str, record: Service, trial: Trial) -> Subject:
    files = ARTIFACTS[trial.most_files]
    inputs: dict[str, Any] = {**record.inputs, "operation": trial.operation, **trial.inputs}
    return Subject(
        name=f"{service} {trial.operation}{trial.about}",
        service=service,
        inputs=inputs | ({"artifacts": files} if files else {}),
        makes=[step.where for step in trial.steps if step.makes],
        held=lambda part: record.held(_without_crowd(part)),
        wanted=trial.wanted({name: hashlib.sha256(FILES[name]).hexdigest() for name in files}),
    )


def _without_crowd(part: Mapping[str, Any]) -> dict[str, Any]:
    """What a service holds, without the builds that others started."""
    ours = [build for build in part.get("builds", ()) if build.get("branch") != CROWD]
    return {**part, "builds": ours}


SUBJECTS = tuple(
    _subject(service, record, trial)
    for service, record in SERVICES.items()
    for trial in record.trials
    if "wait" not in trial.inputs
)
