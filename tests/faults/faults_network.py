"""A network that really breaks: each node in a network namespace of its own, packets dropped by nft inside it.

A node has two interfaces. `front` carries HTTP from the test; `back` leads to a bridge on which PostgreSQL and Redis
listen, and is the only one that is harmed, so that what a node answers can always be heard:

    test ──── front, one /30 for each ──┐
                                       node (namespace)
    PostgreSQL, Redis ── bridge ── back ┘  ← nft drops here, by direction, port and chance

Names hold the process id of the run. They are removed when the network closes; what a run left that was killed,
nodes included, is swept away by the next one.
"""

import contextlib
import ipaddress
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

RANGE = ipaddress.ip_network("198.18.0.0/15")
"""Set aside for trials of networks (RFC 2544): no machine has a real neighbour in it."""
PORT = 8000
"""Of every node's HTTP: each has its addresses for itself."""
POSTGRES, REDIS = 5432, 6379
"""On the bridge."""
SPACE = re.compile(r"^verify-(\d+)-\d+-[a-z0-9-]+$")
LINK = re.compile(r"^vf(\d+)x\d+[a-z]\d*$")
WAYS = ("to", "from")

_counter = itertools.count(1)


class Wire:
    """How one node is connected. Faults add up until `heal`."""

    def __init__(self, space: str, front: str, plug: str, servers: tuple[str, str]) -> None:
        """`space`: its namespace; `front`: its address for HTTP; `plug`: the bridge's end of its `back`.

        `servers`: where PostgreSQL and Redis listen, and where a standby does.
        """
        self.servers = servers
        self.space = space
        self.front = front
        self._plug = plug
        self._rules: dict[str, list[str]] = {"to": [], "from": []}

    @property
    def within(self) -> list[str]:
        """What a command is preceded by to run in the namespace, under its own process id."""
        return ["ip", "netns", "exec", self.space]

    def lose(self, way: str, port: int | None = None, *, at: str | None = None, percent: int = 100) -> str:
        """Drop packets `to` the server that listens on `port`, or `from` it; without a port, of every server.

        `at`: only of the server at this address. Returns the rule, which `allow` takes away again.
        """
        side = "d" if way == "to" else "s"
        what = "meta l4proto tcp" if port is None else f"tcp {side}port {port}"
        place = "" if at is None else f"ip {side}addr {at} "
        chance = "" if percent == 100 else f"numgen random mod 100 < {percent} "
        return self._add(way, f"{place}{what} {chance}counter drop")

    def allow(self, rule: str) -> None:
        """Take one rule away; the others stand, without a moment between."""
        for rules in self._rules.values():
            if rule in rules:
                rules.remove(rule)
        self._load()

    def cut(self, port: int) -> str:
        """Refuse: whatever the node sends there is answered by a reset, connections that stand included."""
        return self._add("to", f"tcp dport {port} counter reject with tcp reset")

    def unplug(self) -> None:
        """No carrier."""
        _run("ip", "link", "set", self._plug, "down")

    def plug(self) -> None:
        """Carrier again."""
        _run("ip", "link", "set", self._plug, "up")

    def lost(self) -> int:
        """Packets that met a rule since the last `heal`: a fault that hit nothing proves nothing."""
        told = _run(*self.within, "nft", "-j", "list", "table", "inet", "fault", fails=True)
        return sum(int(count) for count in re.findall(r'"packets": ?(\d+)', told))

    def heal(self) -> int:
        """Everything flows; what `lost` counted until now."""
        count = self.lost()
        self._rules = {"to": [], "from": []}
        self._load()
        self.plug()
        return count

    def _add(self, way: str, rule: str) -> str:
        self._rules[way].append(rule)
        self._load()
        return rule

    def _load(self) -> None:
        """The whole table at once, or none."""
        chains = [
            f"chain {way} {{ type filter hook {hook} priority 0; policy accept;\n"
            + "".join(f"{side} back {rule}\n" for rule in self._rules[way])
            + "}\n"
            for way, hook, side in (("to", "output", "oifname"), ("from", "input", "iifname"))
        ]
        text = "table inet fault\ndelete table inet fault\ntable inet fault {\n" + "".join(chains) + "}\n"
        _run(*self.within, "nft", "-f", "-", text=text)


class Network:
    """A bridge and the nodes on it."""

    def __init__(self) -> None:
        """Nothing is made yet."""
        self._name = f"vf{os.getpid()}x{next(_counter)}"
        self._spaces: list[str] = []
        self._links: list[str] = []
        self._net = _free_net()
        self.gateway = str(self._net[1])
        """Where PostgreSQL and Redis listen."""
        self.second = str(self._net[126])
        """Where a standby listens."""

    @property
    def net(self) -> str:
        """All addresses of this network."""
        return str(self._net)

    def open(self) -> None:
        """Make the bridge."""
        bridge = f"{self._name}b"
        self._links.append(bridge)
        _run("ip", "link", "add", bridge, "type", "bridge")
        for address in (self.gateway, self.second):
            _run("ip", "address", "add", f"{address}/25", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")

    def join(self, name: str) -> Wire:
        """A namespace for the node of this name, connected on both sides."""
        place = len(self._spaces)
        space = f"verify-{os.getpid()}-{self._name.rpartition('x')[2]}-{name}"
        _run("ip", "netns", "add", space)
        self._spaces.append(space)
        _run("ip", "-n", space, "link", "set", "lo", "up")
        outside, inside = self._net[129 + 4 * place], self._net[130 + 4 * place]
        self._connect(space, f"{self._name}f{place}", "front", f"{inside}/30")
        _run("ip", "address", "add", f"{outside}/30", "dev", f"{self._name}f{place}")
        self._connect(space, f"{self._name}p{place}", "back", f"{self._net[2 + place]}/25")
        _run("ip", "link", "set", f"{self._name}p{place}", "master", f"{self._name}b")
        return Wire(space, str(inside), f"{self._name}p{place}", (self.gateway, self.second))

    def _connect(self, space: str, outside: str, inside: str, address: str) -> None:
        self._links.append(outside)
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", space)
        _run("ip", "-n", space, "address", "add", address, "dev", inside)
        _run("ip", "-n", space, "link", "set", inside, "up")
        _run("ip", "link", "set", outside, "up")

    def close(self) -> None:
        """Remove everything, whatever of it is there."""
        for space in self._spaces:
            _run("ip", "netns", "delete", space, fails=True)
        for link in self._links:
            _run("ip", "link", "delete", link, fails=True)


@contextlib.contextmanager
def open_network() -> Iterator[Network]:
    """A network for one test, removed whatever happens to it."""
    sweep()
    made = Network()
    try:
        made.open()
        yield made
    finally:
        made.close()


def why_not() -> str | None:
    """What keeps this machine from making such a network; None when nothing does."""
    missing = [program for program in ("ip", "nft") if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} not found (apt-get install iproute2 nftables)"
    if os.geteuid() != 0:
        return "not root"
    try:
        with open_network() as network:
            network.join("probe").lose("to", 1, percent=20)
    except (RuntimeError, OSError) as error:
        return f"no right to make network namespaces (CAP_NET_ADMIN, CAP_SYS_ADMIN): {error}"
    return None


def sweep() -> None:
    """Remove what dead runs left: nodes first, then namespaces, then links."""
    for space in _names(Path("/run/netns")):
        if (match := SPACE.match(space)) and not _lives(match[1]):
            for pid in _run("ip", "netns", "pids", space, fails=True).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            _run("ip", "netns", "delete", space, fails=True)
    for link in _names(Path("/sys/class/net")):
        if (match := LINK.match(link)) and not _lives(match[1]):
            _run("ip", "link", "delete", link, fails=True)


def _names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir()) if folder.exists() else []


def _lives(pid: str) -> bool:
    return Path("/proc", pid).exists()


def _free_net() -> ipaddress.IPv4Network:
    """A /24 of `RANGE` in which this machine has no address; each process begins to look elsewhere."""
    told = json.loads(_run("ip", "-j", "-4", "address"))
    taken = [ipaddress.ip_address(one["local"]) for link in told for one in link.get("addr_info", ())]
    nets = [net for net in RANGE.subnets(new_prefix=24) if isinstance(net, ipaddress.IPv4Network)]
    begin = os.getpid() % len(nets)
    return next(net for net in nets[begin:] + nets[:begin] if not any(one in net for one in taken))


def _run(*command: str, text: str = "", fails: bool = False) -> str:
    """One command; what it prints. Raises RuntimeError with what it complained of, unless it may fail."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode and not fails:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout
