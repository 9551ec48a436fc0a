"""The writing flow: a checked request becomes a numbered, recorded, signed and public certificate, once.

It never signs what is not recorded, never uses a number twice, and never answers before the commit that
makes the answer true everywhere. Read caller.py, drafting.py, signing.py, issue.py; then
change.py, revocation.py, reissue.py; then encoding.py, roster.py, rows.py, batches.py; last view.py, stand_ins.py, printable.py,
papers.py, archive.py.
"""
