"""What a certificate is: number, agency, holder, occupation, level, reasons and the arrows of its life.

It never does I/O, reads no clock and knows neither keys nor databases: today's date and random bytes come in.
Read `record.py`, `number.py`, `scan_code.py`, `identity.py`, `name.py`, `occupation.py`, `level.py`,
`agency.py`, `reason.py`, `status.py`, `copies.py`, then `form.py` and `request.py`, where they meet; `coding.py`,
`sources.py` and `text.py` are the tables and the folding below them.
"""
