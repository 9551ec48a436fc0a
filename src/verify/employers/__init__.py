"""What employers ask: one certificate with a signed receipt, or thousands in a list that is worked off in turns.

It sees what the public sees, never slows others for a long list, and never keeps what was asked once it is answered.
Read `questions.py`, `operator.py`, `receipts.py`, `lists.py`.
"""
