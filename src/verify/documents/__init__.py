"""How a certificate looks: QR code, PDF, PNG, share card, overprint; and how one that is brought is read.

It never decides what is true, never reads a clock, the network or the register.
Reading order: qr.py, picture.py, glyphs.py, standin.py, sheet.py, templates.py, attachment.py, press.py,
templates/vocabulary.typ, gate.py, share.py, overprint.py, brought.py, pdfium.py, ornament.py.
"""
