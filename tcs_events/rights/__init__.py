"""What people may ask of those who keep their events: to see them, and to have them deleted.

`places` says where something of a person is kept, `subject` what of it is theirs. `deleting` takes
rows away a few at a time; `prune` those of a time, `forget` those of a person. `held` reads them.
"""
