"""The administration: who may issue what, which keys sign, who may call, and whether the register is sound.

It never issues or changes a certificate, never keeps the secret of an API key, and never publishes a trust list
that its own root key has not signed and read back. Read `credentials.py`, `agencies.py`, `keys.py`, `trust.py`,
`crl.py`, `audit.py` with `audit_certificates.py`; `office.py` puts the desks into one hand.
"""
