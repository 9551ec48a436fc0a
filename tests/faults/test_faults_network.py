"""The broken network itself: one way is one way, a chance is a chance, and nothing of it outlives its run."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults_machine import wait_until
from faults_network import Network, Wire, sweep

pytestmark = pytest.mark.xdist_group("faults")

ECHO_PORT = 7007
ASK = """
import socket, sys
line = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
for word in sys.stdin:
    line.sendall(word.encode())
    line.settimeout(float(sys.argv[3]))
    try:
        print(line.recv(9).decode().strip() or "closed", flush=True)
    except TimeoutError:
        print("silence", flush=True)
    except ConnectionResetError:
        print("reset", flush=True)
"""


class Talk:
    """A connection from inside a namespace to the test."""

    def __init__(self, network: Network, wire: Wire) -> None:
        self._server = socket.create_server((network.gateway, ECHO_PORT))
        ask = [*wire.within, sys.executable, "-c", ASK, network.gateway, str(ECHO_PORT), "0.6"]
        self._asker = subprocess.Popen(ask, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._server.settimeout(30)
        self._line, _ = self._server.accept()
        self._line.settimeout(0.3)

    def say(self, word: str) -> tuple[str, str]:
        """What the server heard of it, and what the asker heard back."""
        assert self._asker.stdin is not None and self._asker.stdout is not None
        self._asker.stdin.write(f"{word}\n")
        self._asker.stdin.flush()
        try:
            heard = self._line.recv(9)
            self._line.sendall(heard)
        except (TimeoutError, ConnectionResetError):
            heard = b""
        return heard.decode().strip(), self._asker.stdout.readline().strip()

    def close(self) -> None:
        """Hang up."""
        self._asker.kill()
        self._asker.communicate()
        self._line.close()
        self._server.close()


@pytest.fixture
def talk(network: Network) -> Iterator[Callable[[], tuple[Talk, Wire]]]:
    """Makes connections, each from a namespace of its own."""
    made: list[Talk] = []

    def make() -> tuple[Talk, Wire]:
        wire = network.join(f"asker-{len(made)}")
        for one in made:
            one.close()
        made.append(Talk(network, wire))
        return made[-1], wire

    yield make
    for one in made:
        one.close()


def test_one_direction_is_lost_and_the_other_is_not(talk: Callable[[], tuple[Talk, Wire]]) -> None:
    there, wire = talk()
    assert there.say("a") == ("a", "a")
    wire.lose("to", ECHO_PORT)
    assert there.say("b") == ("", "silence")
    assert wire.heal() > 0
    back, wire = talk()
    wire.lose("from", ECHO_PORT)
    assert back.say("c") == ("c", "silence")
    assert wire.heal() > 0
    refused, wire = talk()
    wire.cut(ECHO_PORT)
    assert refused.say("d") == ("", "reset")
    assert wire.lost() > 0


def test_what_a_killed_run_left_is_swept_away_with_its_processes(network: Network) -> None:
    code = (
        "import subprocess, sys; from faults_network import Network; made = Network(); made.open()\n"
        "wire = made.join('left'); quiet = subprocess.DEVNULL\n"
        "left = subprocess.Popen([*wire.within, 'sleep', '600'], stdin=quiet, stdout=quiet, stderr=quiet)\n"
        "print(wire.space, left.pid, flush=True); sys.stdin.read()"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    space, left = run.stdout.readline().split()
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    kept = network.join("kept")
    assert Path("/run/netns", space).exists()
    sweep()
    assert not Path("/run/netns", space).exists() and Path("/run/netns", kept.space).exists()
    assert not [one for one in Path("/sys/class/net").iterdir() if one.name.startswith(f"vf{run.pid}x")]
    wait_until(lambda: _is_gone(left), f"{left} still runs", 20)


def _is_gone(pid: str) -> bool:
    """An orphan that nobody reaps stays as a zombie."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
