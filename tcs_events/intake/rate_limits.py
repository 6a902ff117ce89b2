"""Limits how many events one client and one session may send, with the `limits` package.

Imported only if a limit is set, because it needs the extra `tcs-events[limits]`.

Events are counted in sliding windows: two numbers for each client, however much it sends. Refused
events are not counted, so a client may go on as soon as there is room.

A batch is never split. If there is room for one event, all of it is accepted and counted. If it
exceeds the limit, later events wait until the excess has expired. If a batch had to fit, one larger
than the limit would be refused for ever, and a large one as long as others send from its address.
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
"""How long Redis may take to connect, and how long to answer."""
CHECK_SECONDS = 0.5
"""How long one check may take, however many sessions the batch has."""
BACK_OFF_SECONDS = 1.0
"""How long Redis is left alone after it has failed."""


class Windows(Protocol):
    """The part of a storage of the `limits` package that we use."""

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count `amount` if the window of `expiry` seconds then holds at most `limit`.

        Return whether it was counted.
        """

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the count of the previous window and its seconds left, then those of this one."""


def windows_at(url: str) -> Windows:
    """Return the storage at a URL. It connects when it is first used."""
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
    """Return the key with which all processes of an app hash addresses.

    It is made from `app.secret_key`, but is not the key that signs cookies.

    Raises:
        ConfigError: the app has no `secret_key`, so its processes share no secret.
    """
    if not secret_key:
        raise ConfigError(
            "TCS_EVENTS_LIMIT_STORAGE is Redis, which must not hold readable client addresses. Set"
            " app.secret_key, the same in all processes: the addresses are hashed with it."
        )
    key = secret_key.encode() if isinstance(secret_key, str) else secret_key
    return blake2b(key, person=b"tcs_events").digest()


class Limit:
    """A limit on the events of each client, or of each session.

    Args:
        by: "client" or "session".
        rate: how many events in how many seconds.
        windows: the storage of the counts.
        secret: the key for hashing addresses and session ids, so that the counts do not reveal
            them. A hash without a key would: there are so few addresses that all can be tried.
    """

    def __init__(self, by: str, rate: RateLimitItem, windows: Windows, secret: bytes) -> None:
        self._events = rate.amount
        self._seconds = rate.get_expiry()
        self._windows = windows
        # Hashed once more, because a key of blake2b may have at most 64 bytes.
        self._hash = blake2b(key=blake2b(secret).digest(), digest_size=16)
        self._prefix = f"{by}:{self._events}/{self._seconds}:"
        self.by = by

    def take(self, name: str, events: int) -> bool:
        """Count events if there is room for at least one. Return whether they were counted.

        Args:
            name: the address of the client, or the id of the session.
            events: how many.
        """
        # Room for one event is enough: the rest of a batch may exceed the limit.
        return self._windows.acquire_sliding_window_entry(
            self._key(name), self._events + events - 1, self._seconds, events
        )

    def retry_after_seconds(self, name: str) -> int:
        """Return in how many whole seconds there is room if nothing else comes, 0 if there is."""
        previous, previous_left, current, current_left = self._windows.get_sliding_window(
            self._key(name), self._seconds
        )
        if current >= self._events:
            # Only after this window has become the previous one, whose weight shrinks to 0.
            wait = current_left - self._seconds * self._events / current
        elif int(previous * previous_left / self._seconds) + current < self._events:
            return 0
        else:
            wait = previous_left - (self._events - current) * self._seconds / previous
        return max(int(wait) + 1, 1)

    def _key(self, name: str) -> str:
        hashed = self._hash.copy()
        hashed.update(name.encode(errors="surrogatepass"))
        return self._prefix + hashed.hexdigest()


class RateLimits:
    """The limits of one app, which the collector checks.

    If Redis does not answer, nothing is limited: events are worth more than limits.

    Args:
        client: the limit of one client address, where an IPv6 /64 is one. None is no limit.
        session: the limit of one session. None is no limit.
        url: the storage of the counts; see `windows_at`.
        secret: the key of the hashes. Processes that count together need the same.
        counters: count each check that could not be made, as "limits_unavailable".
    """

    def __init__(
        self,
        client: RateLimitItem | None,
        session: RateLimitItem | None,
        url: str,
        secret: bytes,
        counters: Counters,
    ) -> None:
        # Two storages, because in memory made-up sessions would push out the counts of clients.
        self._client = Limit("client", client, windows_at(url), secret) if client else None
        self._session = Limit("session", session, windows_at(url), secret) if session else None
        self._counters = counters
        self._is_failing = False
        self._quiet_until = 0.0

    def check_client(self, address: str, events: int) -> None:
        """Count the events of a client.

        Raises:
            RateLimited: it has sent too many.
        """
        if self._client is not None:
            self._check(self._client, {network_of(address): events})

    def check_sessions(self, events: Mapping[str, int]) -> None:
        """Count the events of sessions. If one of them has sent too many, nothing is counted.

        Raises:
            RateLimited: a session has sent too many.
        """
        if self._session is not None:
            self._check(self._session, events)

    def _check(self, limit: Limit, events: Mapping[str, int]) -> None:
        now = time.monotonic()
        if now < self._quiet_until:
            self._counters.note("limits_unavailable")
            return
        if self._is_failing:
            # Only this request tries whether Redis is back. The others do not wait for it.
            self._quiet_until = now + BACK_OFF_SECONDS
        try:
            wait = _wait_seconds(limit, events, now + CHECK_SECONDS)
        except StorageError as error:
            self._on_failure(type(error.storage_error).__name__)
            return
        except OSError as error:
            self._on_failure(type(error).__name__)
            return
        if self._is_failing:
            self._is_failing, self._quiet_until = False, 0.0
            log.info("tcs_events.limits_available")
        if wait:
            raise RateLimited(limit.by, wait)

    def _on_failure(self, reason: str) -> None:
        self._counters.note("limits_unavailable")
        self._quiet_until = time.monotonic() + BACK_OFF_SECONDS
        if not self._is_failing:
            self._is_failing = True
            log.error(
                "tcs_events.limits_unavailable",
                reason=reason,
                remedy="see that Redis is running, is reachable and has free memory; until then"
                " nothing is limited",
            )


def _wait_seconds(limit: Limit, events: Mapping[str, int], deadline: float) -> int:
    """Count the events by name. If one name has sent too many, return the seconds to wait, else 0.

    Raises:
        StorageError: the storage failed.
        TimeoutError: it was too slow.
    """
    if len(events) > 1:
        # First check all, because what has been counted cannot be taken back.
        for name in events:
            if wait := limit.retry_after_seconds(name):
                return wait
            _check_deadline(deadline)
    for name, number in events.items():
        if not limit.take(name, number):
            return limit.retry_after_seconds(name) or 1
        _check_deadline(deadline)
    return 0


def _check_deadline(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError


def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 /64, which one visitor has.

    A text that is not an address is returned as it is.
    """
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:  # ::ffff:192.0.2.1, from a server that listens on both
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, 64), strict=False).network_address)
