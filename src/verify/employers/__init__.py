"""What employers ask: one certificate with a signed receipt, thousands in a list, or to be told of every change.

It sees what the public sees, never slows others for a long list, and never keeps what was asked once it is answered.
Read `questions.py`, `operator.py`, `receipts.py`, `receipt_papers.py`, `lists.py`, `subscriptions.py`; then `addresses.py`,
`messages.py`, `webhooks.py`, `dispatcher.py`.
"""
