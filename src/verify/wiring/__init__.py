"""Settings in, opened desks out: the one place that knows what is plugged into what.

It never answers a request and never decides; in the role `public` it loads no module that can reach a signing
key. Read `settings.py`, `house.py` (the start-up assertions), `press.py`, `desks.py` (the office's half),
`opening.py` and `setup.py` (a first installation).
"""

from verify.wiring.house import House
from verify.wiring.opening import open_house, try_open
from verify.wiring.settings import Role, read_settings

__all__ = ["House", "Role", "open_house", "read_settings", "try_open"]
