"""The services, by name."""

from __future__ import annotations

from plugin.services import app_distribution, bitrise, phonegap_build, product_science
from plugin.services.service import Service

SERVICES: dict[str, Service] = {
    service.name: service
    for service in (app_distribution.SERVICE, bitrise.SERVICE, phonegap_build.SERVICE, product_science.SERVICE)
}
