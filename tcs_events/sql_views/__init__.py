"""An SQL view for each declared event type, with a typed column for each property of its payload.

`columns` says which columns a type has, `extraction` how each database reads them from JSON, and
`views` makes, replaces and drops the views.
"""
