"""Where accepted events go: one contract, one file per store. A store knows no Flask."""

from tcs_events.stores.contract import Result, Store
from tcs_events.stores.sql import SqlStore

__all__ = ["Result", "SqlStore", "Store"]
