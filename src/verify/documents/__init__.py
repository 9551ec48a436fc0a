"""How a certificate looks: the QR code, the PDF and the PNG; same input, same bytes, read back.

It never decides what is true, never reads a clock, the network or the register.
Reading order: qr.py, picture.py, glyphs.py, sheet.py, press.py, ornament.py, templates/certificate.typ.
"""
