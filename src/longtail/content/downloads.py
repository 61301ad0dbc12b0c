"""Pictures by URL, for shops that ask for it: only from hosts they name, never from inside their own network.

A catalog is written by many hands, and its URLs are opened by a machine that stands inside the shop's network. So a
host must be on the list, every address it resolves to must be public, the connection goes to the very address that
was checked, and a redirect is a new URL to be checked again. Size and time are limited. Proxies are not used.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from longtail.content import pictures
from longtail.content.cache import key_of
from longtail.content.pictures import Unreadable
from longtail.core.progress import Progress
from longtail.core.version import __version__

_REDIRECTS = 3
_AT_ONCE = 8
#: What a URL may have besides letters and digits; the rest is percent-encoded.
_KEPT = "%/:=&?~+!$,;'@()*[]"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Policy:
    """What may be fetched.

    Attributes:
        hosts: exact names (``images.shop.com``), or ``*.shop.com`` for all below; with ``:port`` where it is not the
            scheme's own. Empty: nothing is fetched.
        seconds: for one picture, redirects and all.
        allow_private: also addresses inside a network; for tests against a server on this machine.
    """

    hosts: tuple[str, ...]
    seconds: float = 20.0
    allow_private: bool = False

    def allows(self, host: str, port: int, scheme: str) -> bool:
        """Whether a host is on the list."""
        for allowed in self.hosts:
            name, _, own = allowed.lower().partition(":")
            if port != (int(own) if own.isdigit() else _PORTS[scheme]):
                continue
            if host == name or (name.startswith("*.") and host.endswith(name[1:]) and len(host) > len(name) - 1):
                return True
        return False


def is_url(source: str) -> bool:
    """Whether a picture's source is a URL rather than a path."""
    return source.strip().lower().startswith(("http://", "https://"))


def fetch(url: str, policy: Policy) -> bytes:
    """The content behind a URL.

    Raises:
        Unreadable: the host is not allowed or not public, or anything went wrong on the way; says which.
    """
    deadline = time.monotonic() + policy.seconds
    for _ in range(_REDIRECTS + 1):
        parts = _checked(url, policy)
        try:
            content, location = _get(parts, policy, deadline)
        except TimeoutError as error:
            raise Unreadable("URL: too slow") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreadable("URL: no answer") from error
        if location is None:
            return content
        url = urljoin(url, location)
    raise Unreadable("URL: too many redirects")


def _checked(url: str, policy: Policy) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:  # a port that is no number; a redirect to another scheme
        raise Unreadable("URL: malformed") from error
    if parts.username is not None or parts.password is not None:
        raise Unreadable("URL: has a password")
    if not parts.hostname or not policy.allows(parts.hostname, port, parts.scheme):
        raise Unreadable("URL: host not allowed")
    return parts


def _get(parts: SplitResult, policy: Policy, deadline: float) -> tuple[bytes, str | None]:
    """One request: the content, or where to look instead."""
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    open_socket = _connected(host, port, parts.scheme, policy, deadline)
    # A server may send a byte now and then for ever: at the deadline the connection is cut.
    watch = threading.Timer(_left(deadline), _cut, [open_socket])
    watch.daemon = True
    watch.start()
    connection = http.client.HTTPConnection(host, port)
    connection.sock = open_socket
    try:
        path = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
        headers = {"Host": parts.netloc, "User-Agent": f"longtail/{__version__}", "Accept": "image/*"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status in (301, 302, 303, 307, 308):
            return b"", answer.getheader("Location", "")
        if answer.status != 200:
            raise Unreadable(f"URL: status {answer.status}")
        content = answer.read(pictures.MAX_BYTES + 1)
        if len(content) > pictures.MAX_BYTES:
            raise Unreadable("file too large")
        if answer.length:
            raise http.client.IncompleteRead(content, answer.length)
        _left(deadline)  # without a length, what was cut off by us looks like the end
        return content, None
    except (OSError, http.client.HTTPException) as error:
        _left(deadline)  # what broke after the deadline was cut by us
        raise error
    finally:
        watch.cancel()
        connection.close()


def _cut(open_socket: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        open_socket.shutdown(socket.SHUT_RDWR)


def _connected(host: str, port: int, scheme: str, policy: Policy, deadline: float) -> socket.socket:
    """A connection to an address that was checked; a name that resolves otherwise a moment later changes nothing."""
    addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not policy.allow_private and not all(_is_public(address) for address in addresses):
        raise Unreadable("URL: private address")
    plain = socket.create_connection((addresses[0], port), timeout=_left(deadline))
    if scheme == "http":
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        # An IPv4 address in one of IPv6's disguises is judged as what it is.
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is None and parsed in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return parsed.is_global and not parsed.is_multicast


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@dataclass
class Downloads:
    """Pictures fetched for one run, kept in a temporary folder until it ends.

    Attributes:
        policy: what may be fetched.
    """

    policy: Policy
    _folder: TemporaryDirectory[str] | None = None
    _refused: dict[str, str] = field(default_factory=dict)

    def fetch(self, urls: Iterable[str], progress: Progress) -> None:
        """Fetch what is not there yet, several at a time."""
        wanted = [url for url in dict.fromkeys(urls) if url not in self._refused]
        if not wanted:
            return
        self._folder = self._folder or TemporaryDirectory(prefix="longtail-pictures-")
        with progress.task("fetch pictures", total=len(wanted)) as task, ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(self._fetch, wanted):
                task.advance(1)

    def _fetch(self, url: str) -> None:
        try:
            self._path(url).write_bytes(fetch(url, self.policy))
        except Unreadable as reason:
            self._refused[url] = str(reason)

    def content(self, url: str) -> bytes:
        """What was fetched. Raises Unreadable: with the reason why there is nothing."""
        if url in self._refused:
            raise Unreadable(self._refused[url])
        return pictures.read_file(self._path(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was fetched."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _path(self, url: str) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / key_of(url.encode()).hex()
