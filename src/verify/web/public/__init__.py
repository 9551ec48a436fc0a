"""The public's door: look-ups, verification pages, checks, the register of agencies, keys, health.

It never reaches a private key, issues, or changes anything, and it never says more about a holder than the asker
proved to know. Read `half.py`, `front.py`, `allowance.py`, `asks.py`, `pages_door.py`, `published.py`, `kept.py`,
`register_door.py`, `agencies_door.py`, `checks.py`, `health.py`, `routes.py`.
"""
