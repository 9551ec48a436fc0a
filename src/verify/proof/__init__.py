"""Why a stranger can believe a certificate: keys, signatures, seals and the ledger's mathematics.

It never reads a clock, a setting, the network or a database, and nothing it raises names a holder.
Read: public.py, window.py, digits.py, token.py, jws.py, credential.py, trust.py, pack.py, ledger.py,
sealing.py, secretfiles.py, datafile.py, and pades_check.py with pades_reading.py, pades_changes.py,
pades_chain.py, pades_token.py, timestamp.py for signed PDFs; then, for the office alone: keys.py, signer.py,
pkcs8.py, pkcs11.py, keyfiles.py, authority.py, pades.py, pades_cms.py, pades_increment.py, revocation.py.
"""
