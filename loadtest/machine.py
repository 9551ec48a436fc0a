"""The machine: what it is, which core works for whom, and what processes cost it."""

import os
import platform
import shutil
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import msgspec

SERVER_CORE = 0
LOAD_CORE = 1
TICKS = os.sysconf("SC_CLK_TCK")
PACKAGES = (
    "uvicorn",
    "httptools",
    "granian",
    "litestar",
    "apsw",
    "asyncpg",
    "cryptography",
    "msgspec",
    "uvloop",
    "typst",
    "zxing-cpp",
)


class Machine(msgspec.Struct, frozen=True):
    """Where a run took place."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    versions: dict[str, str]


def describe_machine() -> Machine:
    """This machine and the programs of the run."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(
        (line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "?"
    )
    total = next(
        line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")
    )
    versions = {name: version(name) for name in PACKAGES}
    for name, command in {
        "wrk": ["wrk", "-v"], "h2load": ["h2load", "--version"], "nginx": ["nginx", "-v"],
    }.items():  # fmt: skip
        versions[name] = _first_line(command)
    return Machine(
        model, os.cpu_count() or 1, round(int(total.split()[1]) / 2**20, 1), platform.release(),
        platform.python_version(), versions,
    )  # fmt: skip


def _first_line(command: list[str]) -> str:
    if not (found := find_program(command[0])):
        return "absent"
    done = subprocess.run([found, *command[1:]], capture_output=True, text=True, check=False)
    first = ((done.stdout or done.stderr).splitlines() or ["?"])[0].split("Copyright")[0].strip()
    return first.removeprefix(f"{command[0]} ").removeprefix("nginx version: ")


def find_program(name: str) -> str | None:
    """A program on the path or in the places where Debian keeps servers."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def pinned(core: int, command: list[str]) -> list[str]:
    """The command, kept on one core; as it is where there is no second core or no taskset."""
    if (os.cpu_count() or 1) < 2 or not shutil.which("taskset"):
        return command
    return ["taskset", "-c", str(core), *command]


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += parents.get(one, [])
    return found


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process and its children have used."""
    fields = [_stat(one) for one in family(pid)]
    return sum(int(f[11]) + int(f[12]) for f in fields if f) / TICKS


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident and anonymous memory, MiB, of the largest process of a family."""
    sizes = []
    for one in family(pid):
        try:
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
        except OSError:
            continue
        values = {
            line.split(":")[0]: line.split()[1]
            for line in lines
            if line.startswith("Rss") or line.startswith("VmRSS")
        }
        sizes.append((int(values.get("VmRSS", 0)) / 1024, int(values.get("RssAnon", 0)) / 1024))
    return max(sizes, default=(0.0, 0.0))


def waited_s(pid: int) -> float:
    """Seconds that the busiest thread of a process and its children stood in line for a core."""
    waits = []
    for one in family(pid):
        for task in Path(f"/proc/{one}/task").glob("*/schedstat"):
            try:
                waits.append(int(task.read_text().split()[1]) / 1e9)
            except OSError:
                continue
    return max(waits, default=0.0)


def load() -> float:
    """The load average of the last minute: other people's work on a shared machine shows here."""
    return os.getloadavg()[0]


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def idle_share(seconds: float = 0.5) -> float:
    """The share of all cores that nobody uses, seen over `seconds`."""
    first = _busy()
    time.sleep(seconds)
    second = _busy()
    return (second[0] - first[0]) / max(second[1] - first[1], 1)


def wait_for_quiet(limit_s: float, wanted: float = 0.8) -> float:
    """Wait until others leave the machine alone, for at most `limit_s`; returns the idle share last seen."""
    end = time.monotonic() + limit_s
    while (idle := idle_share()) < wanted and time.monotonic() < end:
        time.sleep(0.5)
    return idle


def _busy() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)
