"""What holders may do after showing number, name and document: give links away, leave the search by person, see who asked.

It never shows a holder more than the public face, never keeps a session, and never says why one was refused. Read
`session.py`, `links.py`, `choices.py`.
"""
