"""The public's questions: a number, a name, a person, a scan code or a signed token in, a finished answer out.

It never reaches a private key, never writes, and never answers from anything older than the question. Read
`scan.py` with `waiting.py`, `near.py`, `entries.py`, `answer.py`; `far.py` over `link.py`; then `budget.py` with
`pool.py`, `challenge.py` with `solved.py`, and `check.py` with `presented.py`; `model/` is the scheme for Spin.
"""
