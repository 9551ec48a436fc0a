"""The holders' doors: a session for whoever shows number, name and document, what it may decide, and links for others.

Programs bring the session as a bearer, browsers in a cookie; neither is told which of the three was wrong, and no address
holds anything personal. Read `links_door.py`, `door.py`, `access.py`, `pages.py`, `pages_door.py`, `routes.py`, `compose.py`.
"""
