"""What holders may do after showing number, name and document: fetch their files, give links away, leave the search by
person, see how often they were asked about.

It never changes a certificate, never keeps a session, and never says why one was refused. Read `session.py`,
`links.py`, `choices.py`, `files.py`.
"""
