"""What the reports read: each day's events, counted once and kept.

`tables` says what is kept, `events` reads the events, `facts` counts one day, `refresh` keeps the
days up to date, and `state` says how far it has come. `stale` has days counted again of which
events were deleted. Counting knows no database, and the tables know nothing of how they are
counted.
"""
