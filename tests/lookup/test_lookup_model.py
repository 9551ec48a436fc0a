"""The scheme as a Spin model: no error as it is, a counter-example for each way of getting it wrong."""

import shutil
import subprocess
from pathlib import Path

import pytest

import verify.lookup

MODELS = Path(verify.lookup.__file__).parent / "model"
MUTANTS = {
    "freshness.pml": ("GUARD=0", "JOIN=1", "ASIDE=1", "TTL=1", "RECHECK=0"),
    "farcache.pml": ("GUARD=0", "SEQGUARD=0", "FLOOR=0", "RECHECK=0"),
}

pytestmark = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("gcc")),
    reason="the model is NOT checked: it needs spin and gcc (apt-get install spin gcc)",
)


def explore(folder: Path, model: str, *switches: str) -> str:
    """What the verifier prints after it has seen every state, or the first error."""
    given = [f"-D{switch}" for switch in switches]
    for command in (
        ["spin", *given, "-a", str(MODELS / model)],
        ["gcc", "-O1", "-DSAFETY", "-o", "pan", "pan.c"],
        ["./pan", "-m100000", "-w22"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("model", MUTANTS)
def test_no_order_of_events_makes_the_scheme_answer_with_the_past(tmp_path: Path, model: str) -> None:
    told = explore(tmp_path, model)
    assert "errors: 0" in told
    assert "max search depth too small" not in told


@pytest.mark.parametrize(
    ("model", "mutant"), [(model, mutant) for model, mutants in MUTANTS.items() for mutant in mutants]
)
def test_each_known_bad_variant_has_a_counter_example(tmp_path: Path, model: str, mutant: str) -> None:
    told = explore(tmp_path, model, mutant)
    assert "errors: 1" in told
    assert "assertion violated" in told
