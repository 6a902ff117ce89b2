"""Where accepted events go: one contract, and one file for each store. Stores do not use Flask."""

from tcs_events.stores.choice import store_for
from tcs_events.stores.contract import Result, Store
from tcs_events.stores.sql import SqlStore

__all__ = ["Result", "SqlStore", "Store", "store_for"]
