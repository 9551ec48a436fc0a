"""The holders' door: a session for whoever shows number, name and document, what it may decide, and links for others.

It never sets a cookie and never tells which of the three was wrong. Read `links_door.py`, `door.py`, `routes.py`.
"""
