"""Why a stranger can believe a certificate: keys, signatures, seals and the ledger's mathematics.

It never reads a clock, a setting, the network or a database, and nothing it raises names a holder.
Read: public.py, window.py, digits.py, token.py, jws.py, credential.py, trust.py, pack.py, ledger.py,
sealing.py, secretfiles.py, datafile.py; then, for the office alone: keys.py, signer.py, pkcs8.py, keyfiles.py,
authority.py.
"""
