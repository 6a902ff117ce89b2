"""People's rights: to see what is stored about them, and to have it deleted.

`places` lists the tables that hold data of persons, and `subject` finds a person's rows in them.
`held` exports these rows, and `forget` deletes them. `prune` deletes old rows of everybody.
`deleting` is how both delete: a few rows at a time.
"""
