"""The reader of traces tells a sync that covers an event from one that does not."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.faults.syncs import SyncOrder

EVENT = UUID("6f1c1f0e54f04d0c8b1e2f8f5f0a9d11")
SOCKET, WAL = "9<socket:[77]>", "5</data/host.db-wal>"
POSTED = rf'1 recvfrom({SOCKET}, "{{\"event_id\": \"{EVENT}\"}}", 8192, 0, NULL, NULL) = 60'
FRAME = rf'1 pwrite64({WAL}, "\0\0\0\2\0\0\0\0", 24, 32) = 24'
LAST_FRAME = rf'1 pwrite64({WAL}, "\0\0\0\2\0\0\0\3\0\"\\", 24, 32) = 24'
ROW = rf'1 pwrite64({WAL}, "\r\0\5\31{EVENT.hex}visitor"..., 4096, 56) = 4096'
OTHER_PAGE = rf'1 pwrite64({WAL}, "\r\0\5\31", 4096, 56) = 4096'
SYNC = f"1 fdatasync({WAL}) = 0"
ACCEPTED = rf'1 sendto({SOCKET}, "HTTP/1.1 202 ACCEPTED\r\n", 23, 0, NULL, 0) = 23'


def too_early(*lines: str) -> bool:
    order = SyncOrder()
    order.read(lines)
    assert order.acknowledged == 1
    return order.too_early == [EVENT.hex]


def test_a_sync_between_the_commit_and_the_202_is_in_order() -> None:
    assert not too_early(POSTED, LAST_FRAME, ROW, SYNC, ACCEPTED)


def test_a_sync_of_another_thread_counts() -> None:
    begun, ended = f"2 fdatasync({WAL} <unfinished ...>", "2 <... fdatasync resumed>) = 0"

    assert not too_early(POSTED, LAST_FRAME, ROW, begun, ended, ACCEPTED)


@pytest.mark.parametrize(
    "between",
    [
        [],
        [LAST_FRAME, ROW],
        [SYNC, LAST_FRAME, ROW],
        [LAST_FRAME, ROW, f"1 fdatasync({WAL}) = -1 EIO (Input/output error) (INJECTED)"],
        [LAST_FRAME, ROW, f"1 fdatasync({WAL}) = -1 EIO (Input/output error)", SYNC],
        [LAST_FRAME, ROW, "1 fdatasync(6</data/host.db>) = 0"],
        [FRAME, ROW, SYNC],
        [FRAME, ROW, SYNC, LAST_FRAME, OTHER_PAGE],
        [
            f"2 fdatasync({WAL} <unfinished ...>",
            LAST_FRAME,
            ROW,
            "2 <... fdatasync resumed>) = 0",
        ],
        [LAST_FRAME, ROW, f"2 fdatasync({WAL} <unfinished ...>"],
    ],
    ids=[
        "never written",
        "never synced",
        "synced before it was written",
        "the sync failed",
        "the sync failed and the next did not",
        "another file was synced",
        "never committed",
        "synced before it was committed",
        "the sync began before it was written",
        "the sync has not ended",
    ],
)
def test_a_202_is_too_early_where_its_event_was(between: list[str]) -> None:
    assert too_early(POSTED, *between, ACCEPTED)
