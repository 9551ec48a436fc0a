"""The office's door: issuing, batches, changes, documents, and the operator's administration over HTTP.

It never answers without a valid API key, never shows one agency what is another's, and decides nothing itself:
every rule lives in the rooms below. Read `desk.py`, `access.py`, `certificates.py`, `changes.py`, `batches.py`,
`documents.py`, `administration.py`, `routes.py`.
"""
