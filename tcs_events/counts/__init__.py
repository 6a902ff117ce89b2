"""The counts that reports read: each day's events, counted once and stored.

- `tables` defines the tables of the counts.
- `events` reads the stored events.
- `visit` counts the events of one visit, and `facts` holds the counts of one day. These two do not
  use the database.
- `counting` replaces the stored counts of one day.
- `refresh` finds the days that changed and has them counted again. One process does so at a time
  (`lease`), and notes how far it has come (`position`).
- `stale` marks the days of deleted events, so that they are counted again.
"""
