"""Which tests a system cannot run, and why: whole files and folders, and tests of files that otherwise run there.

A test that needs a program or a file of one system says so itself, with skipif. This table is for what Windows lacks.
"""

from __future__ import annotations

from collections.abc import Mapping

POSIX_PROGRAMS = "puts POSIX shell scripts on PATH"
POSIX_SHELL = "starts its programs with a POSIX shell"
MODES = "Windows keeps no such modes of files"
WINDOWS: Mapping[str, str] = {
    "tests/end_to_end/launch/": POSIX_PROGRAMS,
    "tests/end_to_end/hosts/test_azure.py": "runs scripts as the agent's bash does on Unix",
    "tests/end_to_end/hosts/test_bitrise_step.py": "Bitrise has no machines with Windows",
    "tests/end_to_end/hosts/test_buildkite.py": "the hook is run by bash on a terminal",
    "tests/end_to_end/hosts/test_buildkite_examples.py": "the hook is run by bash on a terminal",
    "tests/end_to_end/hosts/test_github.py": "starts the action with POSIX shells; ci.yml runs it on Windows",
    "tests/end_to_end/hosts/test_gitlab.py": "starts the pipelines with POSIX shells",
    "tests/end_to_end/hosts/test_jenkins.py": "the Jenkins step needs a Unix agent",
    "tests/end_to_end/hosts/test_jenkins_deliveries.py": "the Jenkins step needs a Unix agent",
    "tests/end_to_end/hosts/test_jenkins_outputs.py": "the Jenkins step needs a Unix agent",
    "tests/end_to_end/hosts/test_other_ci.py": "runs the steps with sh and bash, as their machines do",
    "tests/end_to_end/hosts/test_woodpecker.py": "runs the steps as their Linux containers would",
    "tests/end_to_end/files/test_downloads.py::test_an_incomplete_download_is_not_kept": POSIX_SHELL,
    "tests/end_to_end/files/test_finding.py": "takes folders' modes away to see what is said",
    "tests/end_to_end/test_deliver.py": POSIX_PROGRAMS,
    "tests/end_to_end/test_examples.py": "the examples' app is built by a POSIX shell script",
    "tests/end_to_end/test_release.py": POSIX_SHELL,
    "tests/end_to_end/test_security.py": POSIX_PROGRAMS,
    "tests/unit/files/test_download.py::test_a_downloaded_file_has_the_mode_that_the_umask_sets": MODES,
    "tests/unit/files/test_output_directory.py": "makes the pipes and links of POSIX",
    "tests/unit/test_prepare.py": "lays an environment out as POSIX has it",
    "tests/unit/test_shipped.py::test_shell_files_are_read_without_an_error": "bash may be the one of another system",
}


def reason_to_skip(test: str, platform: str) -> str | None:
    """Why the test with that node id cannot run on `sys.platform`, or None if it can."""
    found = (reason for part, reason in WINDOWS.items() if platform == "win32" and test.startswith(part))
    return next(found, None)
