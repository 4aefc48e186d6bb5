"""The install link as a QR code: in a file, and on the terminal of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugin.announce.announcement import Announcement


def show_install_link(announcement: Announcement, outputs: Mapping[str, Any]) -> dict[str, str]:
    """Write and draw the QR code of the link in a run's outputs; return what there is to put out.

    It is not drawn in a CI log, where scanners fail on it: some CI systems give their jobs a terminal.
    """
    log, values = announcement.log, announcement.values
    if not (values.qr_file or outputs.get("install-url")):
        return {}
    from plugin.hosts.report import followable  # here, as below: few runs need it

    url = followable(outputs.get("install-url"), log.redact.declared)
    is_for_a_person = log.is_terminal and not announcement.environment.get("CI")
    if values.qr_file and not url:
        log.notice("§qr-file§ is not written: this run has no install link to make a QR code of")
    if not url or not (values.qr_file or is_for_a_person):
        return {}
    from plugin.files import qr  # here, because it takes time to load

    if is_for_a_person:
        with log.relay() as draw:
            draw(*qr.lines(url))
    if not values.qr_file:
        return {}
    path = announcement.folder / values.qr_file
    try:
        qr.write(url, path)
    except OSError as error:
        log.warning(f"§qr-file§ could not be written: {error.strerror}")
        return {}
    return {"qr-file": str(path)}
