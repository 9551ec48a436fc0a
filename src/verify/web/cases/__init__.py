"""The desk's doors: report a forgery, object, follow a receipt; the office's queue; the list of imitation sites.

It asks nobody who they are, makes no link of an address that it was told, and shows nothing of what was told to a
receipt. Read `forms.py`, `pages.py`, `imitations_door.py` (also on nodes of the public), `door.py`, `queue_door.py`,
`holder_door.py`, `routes.py`, `compose.py`.
"""
