"""One desk for what people tell us: reports of forgeries, objections to certificates, sites that imitate this one.

It never asks for money, a login or a phone number, never fetches an address that it is told, and never says about an
unknown receipt more than that. Read `receipt.py`, `matters.py`, `told.py`, `desk.py`, `queue.py`, `imitations.py`.
"""
