"""The CI systems that run us: how each passes inputs and receives outputs, and what it knows of the source.

`__main__`, run and the doctor come in, and scripts for the names; services never know which host they run on. The
doors: HOSTS, which loads a host when it is needed; name_of, detected, named_by, inputs_from, ci_of; Publisher
(publisher.py); find (source.py); the names' forms (spelling.py). A new host is a file here, with its record HOST, and a
line in VARIABLES.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plugin.hosts.host import Env, Host

PLAIN = "plain"
CI = "BUILDFERRY_CI"  # set by a hook that runs as from a shell
# Each host, with the variables that are set there, any of them (`A+B`: both; `A=x`: with that value). The most specific
# first, as some CI systems set others' variables too.
VARIABLES = {
    "gitea": "GITEA_ACTIONS FORGEJO_ACTIONS",
    "github": "GITHUB_ACTIONS",
    "bitrise": "BITRISE_IO",
    "buildkite": "BUILDKITE",
    "azure": "TF_BUILD",
    "woodpecker": "CI=woodpecker CI_SYSTEM_NAME=woodpecker DRONE HARNESS_BUILD_ID",
    "jenkins": "JENKINS_URL+BUILD_NUMBER JENKINS_HOME+BUILD_NUMBER",  # agents have the first one outside of builds
    "gitlab": "GITLAB_CI",
    PLAIN: "",
}


class _Hosts(Mapping[str, "Host"]):
    """The hosts by name; each is loaded when it is needed."""

    def __getitem__(self, name: str) -> Host:
        if name not in VARIABLES:
            raise KeyError(name)
        host: Host = import_module(f"{__name__}.{name}").HOST
        return host

    def __iter__(self) -> Iterator[str]:
        return iter(VARIABLES)

    def __len__(self) -> int:
        return len(VARIABLES)


HOSTS = _Hosts()


def name_of(env: Env) -> str:
    """Return the host that a job with these variables runs on; `CI=false` says that it is none."""
    return detected(env)[0]


def detected(env: Env) -> tuple[str, str]:
    """Return the host that a job with these variables runs on, and the form in VARIABLES that shows it."""
    if env.get("CI", "").strip().lower() == "false":
        return PLAIN, "CI=false"
    forms = ((name, form) for name, forms in VARIABLES.items() for form in forms.split())
    return next((found for found in forms if _is_met(found[1], env)), (PLAIN, ""))


def ci_of(host: Host, env: Env) -> Host:
    """Return the CI system whose job this is: `host`, or the one around a shell, which a hook of ours may name."""
    return HOSTS.get(env.get(CI, "")) or HOSTS[name_of(env)] if host.name == PLAIN else host


def inputs_from(host: Host, env: Env) -> Host:
    """Return the host whose form the inputs have: without a manifest, in a script, that of a shell."""
    return host if env.get("PLUGIN_HOST") else HOSTS[PLAIN]


def named_by(env: Env) -> str:
    """Return the host that a manifest names, empty if none does; the action for GitHub serves Gitea and Forgejo too."""
    name = env.get("PLUGIN_HOST", "")
    return "gitea" if name == "github" and _is_detected("gitea", env) else name


def _is_detected(name: str, env: Env) -> bool:
    return any(_is_met(form, env) for form in VARIABLES[name].split())


def _is_met(form: str, env: Env) -> bool:
    parts = (part.partition("=") for part in form.split("+"))
    return all(env.get(name) == value if value else bool(env.get(name)) for name, _, value in parts)
