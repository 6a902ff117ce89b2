"""How much one client and one session may send, counted by the `limits` package.

Imported only where a limit is set: it needs the extra `tcs-events[limits]`.

Counted are events, in sliding windows: two numbers for a client, however much it may send. What is
refused is not counted, so that it is welcome as soon as there is room.

A batch is taken whole while there is any room left, and counted whole. What it takes beyond the
limit is waited for afterwards. If it had to fit in, one that is dearer than the limit would be
refused for ever, and a dear one for as long as others send from the same address.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import blake2b
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Protocol, cast

from limits.errors import StorageError
from limits.storage import storage_from_string

from tcs_events.errors import ConfigError, RateLimited
from tcs_events.intake.windows import MemoryWindows
from tcs_events.watch.counters import Counters
from tcs_events.watch.log import log

if TYPE_CHECKING:
    from limits import RateLimitItem

MEMORY = "memory://"
TIMEOUT_SECONDS = 0.2
"""How long Redis may take to connect, and to answer."""
CHECK_SECONDS = 0.5
"""How long one check may take, however many sessions a batch has."""
BACK_OFF_SECONDS = 1.0
"""For so long Redis is not asked again after it has failed."""


class Windows(Protocol):
    """What is used of a storage of the `limits` package."""

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count `amount` if the window of `expiry` seconds then holds no more than `limit`."""

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the counts of the window before and of this one, each with its seconds to live."""


def windows_at(url: str) -> Windows:
    """Return the counts that a URL names. Nothing is connected to before it is asked."""
    if url == MEMORY:
        return MemoryWindows()
    storage = storage_from_string(
        url,
        wrap_exceptions=True,
        key_prefix="tcs_events",
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
    )
    return cast(Windows, storage)


def shared_secret(secret_key: str | bytes | None) -> bytes:
    """Return what all processes of an app hash with, which is not the key of its cookies.

    Raises:
        ConfigError: the app has no `secret_key`, and so they have nothing in common.
    """
    if not secret_key:
        raise ConfigError(
            "TCS_EVENTS_LIMIT_STORAGE is Redis, where no address of a client may be readable. Set"
            " app.secret_key, the same in all processes: the addresses are hashed with it."
        )
    key = secret_key.encode() if isinstance(secret_key, str) else secret_key
    return blake2b(key, person=b"tcs_events").digest()


class Limit:
    """How much one client, or one session, may send.

    Args:
        by: "client" or "session".
        rate: how many events in how many seconds.
        windows: where they are counted.
        secret: what the names of those who send are hashed with, so that nobody can tell from what
            is counted who they are: of addresses there are so few that all can be tried.
    """

    def __init__(self, by: str, rate: RateLimitItem, windows: Windows, secret: bytes) -> None:
        self._events = rate.amount
        self._seconds = rate.get_expiry()
        self._windows = windows
        self._hash = blake2b(key=blake2b(secret).digest(), digest_size=16)
        self._prefix = f"{by}:{self._events}/{self._seconds}:"
        self.by = by

    def take(self, who: str, events: int) -> bool:
        """Count events if there is room for one of them; False, and nothing counted, if not."""
        return self._windows.acquire_sliding_window_entry(
            self._key(who), self._events + events - 1, self._seconds, events
        )

    def retry_after_seconds(self, who: str) -> int:
        """Return when there will be room, if nothing else comes; 0 where there is."""
        before, before_left, now, left = self._windows.get_sliding_window(
            self._key(who), self._seconds
        )
        if now >= self._events:
            # Not before this window is the one before, and counts less and less.
            wait = left - self._seconds * self._events / now
        elif int(before * before_left / self._seconds) + now < self._events:
            return 0
        else:
            wait = before_left - (self._events - now) * self._seconds / before
        return max(int(wait) + 1, 1)

    def _key(self, who: str) -> str:
        hashed = self._hash.copy()
        hashed.update(who.encode(errors="surrogatepass"))
        return self._prefix + hashed.hexdigest()


class RateLimits:
    """The limits of one app: what the collector asks.

    Where Redis does not answer nothing is limited: events are worth more than limits.

    Args:
        client: what one address may send, an IPv6 network of /64 being one; None is without limit.
        session: what one session may send.
        url: where it is counted; see `windows_at`.
        secret: for the hashes; processes that count together need the same.
        counters: are told of each check that could not be made, as "limits_unavailable".
    """

    def __init__(
        self,
        client: RateLimitItem | None,
        session: RateLimitItem | None,
        url: str,
        secret: bytes,
        counters: Counters,
    ) -> None:
        # In memory each has its own, so that made-up sessions push no client out.
        self._client = Limit("client", client, windows_at(url), secret) if client else None
        self._session = Limit("session", session, windows_at(url), secret) if session else None
        self._counters = counters
        self._fails = False
        self._quiet_until = 0.0

    def check_client(self, address: str, events: int) -> None:
        """Count what a client sends.

        Raises:
            RateLimited: it is too much.
        """
        if self._client is not None:
            self._check(self._client, {network_of(address): events})

    def check_sessions(self, events: Mapping[str, int]) -> None:
        """Count what sessions send. Where it is too much from one, none of them is counted.

        Raises:
            RateLimited: it is too much from one of them.
        """
        if self._session is not None:
            self._check(self._session, events)

    def _check(self, limit: Limit, events: Mapping[str, int]) -> None:
        began = time.monotonic()
        if began < self._quiet_until:
            self._counters.note("limits_unavailable")
            return
        if self._fails:
            # One request finds out whether it is back; the others need not wait for that.
            self._quiet_until = began + BACK_OFF_SECONDS
        try:
            wait = _wait_seconds(limit, events, began + CHECK_SECONDS)
        except StorageError as error:
            self._on_failure(type(error.storage_error).__name__)
            return
        except OSError as error:
            self._on_failure(type(error).__name__)
            return
        if self._fails:
            self._fails, self._quiet_until = False, 0.0
            log.info("tcs_events.limits_available")
        if wait:
            raise RateLimited(limit.by, wait)

    def _on_failure(self, reason: str) -> None:
        self._counters.note("limits_unavailable")
        self._quiet_until = time.monotonic() + BACK_OFF_SECONDS
        if not self._fails:
            self._fails = True
            log.error(
                "tcs_events.limits_unavailable",
                reason=reason,
                remedy="see that Redis runs, is reachable and has room; until then nothing is"
                " limited",
            )


def _wait_seconds(limit: Limit, events: Mapping[str, int], deadline: float) -> int:
    """Count events of each sender; return the seconds to wait where one has sent too much.

    Raises:
        StorageError: they cannot be counted.
        TimeoutError: it takes too long.
    """
    if len(events) > 1:
        for who in events:
            if wait := limit.retry_after_seconds(who):
                return wait
            _keep(deadline)
    for who, count in events.items():
        if not limit.take(who, count):
            return limit.retry_after_seconds(who) or 1
        _keep(deadline)
    return 0


def _keep(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError


def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or a /64 of IPv6, which one visitor has.

    Whatever is no address counts as it is written.
    """
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:  # as a server writes IPv4 that listens on both
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, 64), strict=False).network_address)
