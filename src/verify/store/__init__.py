"""Where the truth lives: certificates, agencies, keys' public halves, and the ledger of every change.

It never holds a holder's data in the clear, never forgets an acknowledged write, and never decides who may do
what. Read `contract.py`, `gather.py`, then `journal.py`, the programs (`certificates.py`, `changes.py`, `register.py`,
`reads.py`, `batches.py`), and the engine `sqlite.py`; the SQL is in `sql/` and `migrations/`;
for a second server `fence.py` and `failover.py`, for what is kept outside `watched.py` and `replay.py`.
"""
