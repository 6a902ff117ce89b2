"""The stored events as a file: never all of them in memory, and whole under its name or not there.

`rows` reads them, one file per format writes them, `new_file` is where the writing goes.
"""
