"""Our claims on targets that we lowered: what they were, what we set, and how they come back.

Pure. A lease never changes what it remembers while it is open, and it can be rebuilt from the
annotations of its object alone.
"""
