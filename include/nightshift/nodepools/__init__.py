"""Node pools, one driver a file; each is imported only where it is used.

A driver whose vendor's client is missing says which extra to install.
"""
