"""HTTP and nothing else: the public's door and the office's door.

It decides nothing about certificates, keeps nothing between two requests, and the public's half cannot reach a
signing key. Read `reply.py`, `headers.py`, `problems.py`, `hygiene.py`, `route.py`; then the room `public` with
`front.py` first; then `office` with `compose.py` first; `app.py` puts them together.
"""
