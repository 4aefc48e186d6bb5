"""The checked inputs of one run. Made by scripts/manifests.py from plugin/schema.json: edit that."""

# Without `from __future__ import annotations`: NamedTuple would compile the text of each annotation, at every start.
from typing import Any, Literal, NamedTuple

from plugin.inputs.fields import inputs


class Values(NamedTuple):
    """The inputs by their Python names.

    What was not given and has no default is empty: "" for a text, () for a list, None for a number and for yes or no.
    """

    service: Literal[
        "", "app-distribution", "bitrise", "bitrise-release-management", "phonegap-build", "product-science"
    ] = ""
    operation: str = "deliver"
    service_url: str = ""
    api_token: str = ""
    username: str = ""
    password: str = ""
    artifacts: tuple[str, ...] = ()
    app_check: bool = True
    build_id: tuple[str, ...] = ()
    name: str = ""
    description: str = ""
    commit: str = ""
    commit_timestamp: str = ""
    branch: str = ""
    tag: str = ""
    pull_request_id: int | None = None
    run_url: str = ""
    phase_id: int | None = None
    project: str = ""
    build_type: Literal["APK", "INSTRUMENTED_APK"] = "APK"
    upload_context_id: str = ""
    app_id: str = ""
    workflow: tuple[str, ...] = ()
    pipeline: str = ""
    message: str = ""
    environment: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    priority: int | None = None
    stack: str = ""
    machine_type: str = ""
    skip_git_status: bool = False
    reattach: Literal["auto", "never"] = "auto"
    wait: bool = False
    timeout: float = 3600
    poll_interval: float = 3
    fail_fast: bool = False
    abort_on_cancel: bool | None = None
    log: Literal["none", "stream"] = "none"
    log_file: str = ""
    reason: str = ""
    abort_with_success: bool = False
    skip_notifications: bool = False
    partial: bool = False
    strict: bool = False
    match: tuple[str, ...] = ()
    output_directory: str = "buildferry-artifacts"
    overwrite: bool = False
    artifact_id: str = ""
    public_page: bool | None = None
    status: Literal["", "queued", "running", "succeeded", "failed", "aborted", "0", "1", "2", "3", "4"] = ""
    trigger_event_type: Literal["", "push", "pull-request", "tag"] = ""
    after: str = ""
    before: str = ""
    limit: int | None = None
    workspace: str = ""
    app_package: str = ""
    artifact_type: Literal["", "aab", "apk", "ipa"] = ""
    artifact_source: Literal["", "api", "ci"] = ""
    app_version: str = ""
    search: str = ""
    distribution_ready: bool | None = None
    store_signed: bool | None = None
    what_to_test: str = ""
    access_link: str = ""
    access_code: str = ""
    access_expires: str = ""
    tester_groups: tuple[str, ...] = ()
    tester_type: Literal["", "internal", "external"] = ""
    testers: tuple[str, ...] = ()
    auto_notify: bool | None = None
    deployment: str = ""
    target_deployment: str = ""
    bundle: str = ""
    mandatory: bool | None = None
    disabled: bool | None = None
    rollout: int | None = None
    title: str = ""
    repository: str = ""
    data: str = ""
    icon: str = ""
    platforms: tuple[str, ...] = ()
    platform: Literal["", "ios", "android", "blackberry"] = ""
    profile_file: str = ""
    certificate_file: str = ""
    keystore_file: str = ""
    key_alias: str = ""
    key_password: str = ""
    keystore_password: str = ""
    csk_file: str = ""
    db_file: str = ""
    parallel: int = 4
    receipt: str = ""
    stall_timeout: float = 120
    heartbeat: float = 60
    on_doubt: Literal["stop", "repeat"] = "stop"
    on_outage: Literal["fail", "warn"] = "fail"
    ca_bundle: str = ""
    client_certificate: str = ""
    allow_http: bool = False
    qr_file: str = ""
    notify_url: str = ""
    notify_format: Literal["", "slack", "teams", "json"] = ""
    comment_token: str = ""
    comment_name: str = ""
    output_prefix: str = ""
    dry_run: bool = False
    verbose: bool = False

    def __repr__(self) -> str:
        """Return the inputs that have a value, without secrets."""
        return f"Values({self.as_dict()})"

    def as_dict(self) -> dict[str, Any]:
        """Return the inputs that have a value, by input name, without secrets."""
        found = {each.name: getattr(self, each.attribute) for each in inputs().values() if not each.secret}
        return {name: value for name, value in found.items() if value not in (None, "", ())}
