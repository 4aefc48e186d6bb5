"""What a later run asks of what an earlier one made: it is done, or the run says why it is not."""

from __future__ import annotations

from tests.end_to_end.program import SandboxProcess
from tests.end_to_end.services.release_management import ANDROID, Run, folder, rm, state_of, uploaded

__all__ = ["folder", "rm"]
CODE = "s3cretcode"


def test_a_file_that_was_there_gets_its_public_page(sandbox: SandboxProcess, rm: Run) -> None:
    uploaded(rm, "app.apk", "other.apk")
    done = rm("upload", app_id=ANDROID, artifacts=["app.apk", "other.apk"], public_page=True)
    assert done.code == 0, done.log
    assert [(each["is_public"], each["times_stored"]) for each in state_of(sandbox)["artifacts"]] == [(True, 1)] * 2
    assert done.result["install-url"].startswith("https://app.bitrise.io/installable-artifacts/")
    pages = [each["public_install_page_url"] for each in done.result["result"]["installable-artifacts"]]
    assert all(pages), pages
