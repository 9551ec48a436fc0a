"""The employers' door: lists of questions, their results, and signed receipts, behind an employer's API key.

It never opens to a key of the office and shows nothing that the public could not ask for. Read `door.py`,
`routes.py`, `compose.py`.
"""
