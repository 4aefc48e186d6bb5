"""requests, without the parts that act on their own: .netrc, cookies, redirects, default headers."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase


def session(pool_classes: dict[str, Any]) -> requests.Session:
    """Return a session that sends what it is given and nothing else, over connections of `pool_classes`."""
    made = _Session()
    made.headers.clear()
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Transport(pool_classes)
    for scheme in ("https://", "http://"):
        made.mount(scheme, adapter)
    return made


class Credentials(AuthBase):
    """Sets our Authorization, or none. Its presence keeps a .netrc from adding another."""

    def __init__(self, authorization: str | None) -> None:
        """Set the header to `authorization`."""
        self._authorization = authorization

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the header into a request."""
        if self._authorization:
            prepared.headers["Authorization"] = self._authorization
        return prepared


class _Session(requests.Session):
    """requests' session, without redirects: requests reads the whole body of one, even when it does not follow it."""

    def get_redirect_target(self, _response: requests.Response) -> None:
        return None


class _Transport(HTTPAdapter):
    """requests' adapter, with our own connections."""

    def __init__(self, pool_classes: dict[str, Any]) -> None:
        self._pool_classes = pool_classes
        super().__init__(pool_connections=4, pool_maxsize=24)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):  # SOCKS has other pools
            manager.pool_classes_by_scheme = self._pool_classes
        return manager
