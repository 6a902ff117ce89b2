"""Stores the events of a file: our own exports, and those of other tools.

`files` reads the rows of a file, `mapping` says which column is what, `conversion` makes events of
rows, and `importer` stores them.
"""
