"""The public's door: look-ups, verification pages, checks, the register of agencies, keys, health.

It never reaches a private key, issues, or changes anything, and it never says more about a holder than the asker
proved to know. Read `desk.py`, `front.py`, `asks.py`, `pages_door.py`, `published.py`, `register.py`,
`checks.py`, `health.py`, `routes.py`.
"""
