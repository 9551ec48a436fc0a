"""The employers' door: lists, receipts, subscriptions and webhooks, behind an employer's API key.

It never opens to a key of the office and shows nothing that the public could not ask for. Read `door.py`,
`subscriptions_door.py`, `administration.py` (the operator's), `routes.py`, `compose.py`.
"""
