"""Exports the stored events to a file, without holding all of them in memory.

`rows` reads the events, and a module per format writes them. `new_file` makes the file appear under
its name only when it is complete.
"""
