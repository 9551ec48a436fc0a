"""HTTP/1.1 as bytes: what the server reads from a socket, and what it writes back.

Speaks ASGI to the application above and knows nothing of certificates; it never parses bytes itself (httptools
does) and never manages processes (uvicorn does).
Read `wire.py`, then `exchange.py`, then `connection.py`.
"""
