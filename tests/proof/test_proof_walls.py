"""The walls inside the room: what the public's side imports cannot reach a private key; the README tells the truth."""

import re
import subprocess
import sys
from pathlib import Path

import verify.proof
from verify.proof.window import KEY_ARROWS

ROOM = Path(verify.proof.__file__).parent
PUBLIC_HALF = [
    "public",
    "window",
    "digits",
    "token",
    "jws",
    "credential",
    "trust",
    "pack",
    "ledger",
    "sealing",
    "secretfiles",
    "datafile",
    "pades_check",
    "pades_reading",
    "pades_changes",
    "pades_chain",
    "pades_token",
    "timestamp",
]


def test_the_public_half_never_loads_private_keys_or_the_signer() -> None:
    program = f"""
import sys
for name in {PUBLIC_HALF!r}:
    __import__("verify.proof." + name)
private = {{"keys", "signer", "pkcs8", "keyfiles", "authority"}}
sys.exit(any("verify.proof." + name in sys.modules for name in private))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOM.parent.parent, check=False)
    assert done.returncode == 0


def test_no_module_reads_a_clock() -> None:
    for path in ROOM.glob("*.py"):
        assert not re.search(r"\.now\(|utcnow|time\.time|\btoday\(", path.read_text("utf-8")), path.name


def test_the_readme_shows_exactly_the_arrows_of_the_table() -> None:
    shown = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|", (ROOM / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert {(state, move): after for state, move, after in shown} == {
        (state.value, move.value): after.value for (state, move), after in KEY_ARROWS.items()
    }
