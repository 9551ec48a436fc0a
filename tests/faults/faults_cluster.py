"""A whole installation: PostgreSQL or one SQLite file, Redis, nodes, each in a network of its own where wanted."""

import asyncio
import contextlib
import datetime as dt
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import msgspec
from faults_machine import READY_S, Footprint, Node, RedisServer
from faults_network import POSTGRES, REDIS, Network, Wire

import servers
from care.care_pair import Pair
from verify.certificate.form import IssueRequest
from verify.config import Settings
from verify.errors import Words
from verify.issuance.issue import Issued, Row
from verify.office.agencies import FilingRequest
from verify.office.audit import audit
from verify.proof.public import KeyPurpose
from verify.wiring.desks import OfficeHouse, open_office_house
from verify.wiring.house import migrate
from verify.wiring.setup import set_up
from world import person_name, resident_id

AGENCY = "S000044000456"
PASSPHRASE = "a passphrase of the fault tests"
SEEDED = 96


class Seeded(msgspec.Struct, frozen=True):
    """One certificate that stood before anything began."""

    number: str
    scan_code: str
    name: str
    id_number: str


class Cluster:
    """See the module. Made by `cluster`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        """Empty yet."""
        self.folder = folder
        self.environment = environment
        self.nodes: list[Node] = []
        self.postgres: servers.Postgres | None = None
        self.pair: Pair | None = None
        """Where the register has a standby."""
        self.redis: RedisServer | None = None
        self.dsn = ""
        """Of the primary as it is now, for a superuser beside the network."""
        self.seeded: list[Seeded] = []
        self.aside: Seeded | None = None
        """One more certificate, which the traffic leaves alone."""
        self.agency_key = ""
        self.operator_key = ""
        self.serials = SEEDED
        """People used so far."""

    @property
    def offices(self) -> list[Node]:
        """The nodes that change."""
        return [node for node in self.nodes if node.role != "public"]

    @property
    def wires(self) -> list[Wire]:
        """Of the nodes that have one."""
        return [node.wire for node in self.nodes if node.wire is not None]

    def settings(self) -> Settings:
        """How this process opens the register itself, beside the proxies."""
        return Settings(
            database_url=self.environment["VERIFY_DATABASE_URL"], keys_dir=self.folder / "keys",
            key_passphrase=PASSPHRASE,
        )  # fmt: skip

    def request(self) -> dict[str, Any]:
        """A correct issue request for a person who was not there before."""
        self.serials += 1
        return issue_request(self.serials)

    def start(self, node: Node, **more: str) -> None:
        """Start a node and wait until it is ready."""
        node.start(**more)
        node.wait_ready()

    async def wait_ready(self, limit_s: float = READY_S) -> None:
        """Until every node can answer; what a fault broke must mend itself."""
        await asyncio.gather(*(asyncio.to_thread(node.wait_ready, limit_s) for node in self.nodes))

    async def connections(self) -> int:
        """Of all nodes to PostgreSQL."""
        if self.postgres is None:
            return 0
        admin = await asyncpg.connect(self.dsn)
        try:
            query = "select count(*) from pg_stat_activity where application_name = 'verify'"
            return int(await admin.fetchval(query))
        finally:
            await admin.close()

    def footprints(self) -> dict[str, Footprint]:
        """Of every node."""
        return {node.name: node.footprint() for node in self.nodes}

    async def disagreements(self) -> list[str]:
        """What `verify audit` finds."""
        house = await open_office_house(self.settings(), keys_checked=False)
        try:
            report = await audit(house.store, house.data_keys)
        finally:
            await house.close()
        return [f"{one.where}: {one.check}: {one.detail.en}" for one in report.findings]

    async def count_public(self, *states: str) -> int:
        """Certificates that the register holds as issued, or in these states."""
        wanted = ", ".join(f"'{state}'" for state in states or ("valid", "suspended", "revoked", "replaced"))
        query = f"select count(*) from certificate where status in ({wanted})"
        if self.postgres is None:
            path = self.environment["VERIFY_DATABASE_URL"].removeprefix("sqlite:///")
            connection = apsw.Connection(path)
            connection.set_busy_timeout(5000)
            with contextlib.closing(connection):
                return int(next(iter(connection.execute(query)))[0])
        admin = await asyncpg.connect(self.dsn)
        try:
            return int(await admin.fetchval(query))
        finally:
            await admin.close()


def issue_request(serial: int) -> dict[str, Any]:
    """As the API takes it; the holder's resident ID lies in area 99xxxx."""
    return {
        "kind": "skill_level",
        "holder": {"name": person_name(serial), "id_type": "RESIDENT_ID", "id_number": resident_id(serial)},
        "occupation": {"code": "6-18-01-01", "name": "车工"},
        "level": "3",
        "issued_on": "2026-01-20",
        "results": {"theory": 82, "practical": 91},
        "batch": "2026-01-A",
    }


@contextlib.asynccontextmanager
async def cluster(
    folder: Path, *, engine: str = "postgres", place: Path | None = None, network: Network | None = None
) -> AsyncIterator[Cluster]:
    """Two offices and a public node on PostgreSQL with Redis; or one node of two workers on SQLite.

    `place`: where the SQLite file lies, unless in `folder`. `network`: PostgreSQL and Redis listen on its bridge,
    and each node gets a namespace on it.
    """
    async with contextlib.AsyncExitStack() as stack:
        if engine == "postgres":
            server = stack.enter_context(servers.postgres())
            made = await install(folder, server.dsn)
            made.postgres, made.dsn = server, server.dsn
            made.redis = start_redis(folder, stack, network)
            await _connect(made, server, network)
        else:
            made = await install(folder, f"sqlite:///{place or folder}/verify.db")
            made.nodes = [Node("office", "all", folder, made.environment, workers=2)]
        await start_nodes(made, stack)
        yield made


async def start_nodes(made: Cluster, stack: contextlib.AsyncExitStack) -> None:
    """All at once; they end with the stack."""
    for node in made.nodes:
        stack.push_async_callback(asyncio.to_thread, node.end)
        node.start()
    await made.wait_ready()


def start_redis(folder: Path, stack: contextlib.AsyncExitStack, network: Network | None) -> RedisServer:
    """A Redis that ends with the stack."""
    redis = RedisServer(folder, None if network is None else network.gateway)
    redis.start()
    stack.callback(redis.end)
    return redis


async def _connect(made: Cluster, server: servers.Postgres, network: Network | None) -> None:
    """Nodes of the networked engine, started by nobody yet: beside the test, or each in a namespace."""
    place = server.dsn.partition("@")[2]
    if network is not None:
        await asyncio.to_thread(listen, server, network.net, network.gateway)
        place = f"{network.gateway}:{POSTGRES}/postgres"
    join_nodes(made, f"postgresql://postgres@{place}", network)


def listen(server: servers.Postgres, net: str, address: str) -> None:
    """Start the server again with an address on the bridge, which everybody on it may use."""
    data = server.command[server.command.index("-D") + 1]
    with (Path(server.how["cwd"]) / data / "pg_hba.conf").open("a") as rules:
        rules.write(f"\nhost all all {net} trust\n")
    server.stop()
    server.command += ["-c", f"listen_addresses={address}"]
    server.start()


def join_nodes(made: Cluster, url: str, network: Network | None, public: type[Node] = Node) -> None:
    """Two offices and a public node on the register at `url`, with a far cache."""
    assert made.redis is not None
    redis = f"unix://{made.redis.socket}" if network is None else f"redis://{network.gateway}:{REDIS}/0"
    own = {"VERIFY_DATABASE_URL": url, "VERIFY_REDIS_URL": redis, "VERIFY_FAR_CACHE": "true"}
    for kind, name, role in (
        (Node, "office-1", "all"),
        (Node, "office-2", "all"),
        (public, "public", "public"),
    ):
        wire = None if network is None else network.join(name)
        made.nodes.append(kind(name, role, made.folder, made.environment | own, wire=wire))


async def install(folder: Path, url: str) -> Cluster:
    """Schema, keys, one agency that may issue, credentials, the first certificates."""
    environment = {
        "VERIFY_DATABASE_URL": url,
        "VERIFY_KEYS_DIR": str(folder / "keys"),
        "VERIFY_KEY_PASSPHRASE": PASSPHRASE,
        "VERIFY_BUDGET_PER_SOURCE": "100000000",  # out of reach, and yet counted in Redis
        "VERIFY_BUDGET_PER_TARGET": "100000000",
        "VERIFY_READ_DEADLINE_MS": "1000",
        "VERIFY_BODY_TIMEOUT_S": "2",
    }
    made = Cluster(folder, environment)
    await migrate(url)
    settings, _ = await set_up(made.settings(), Words("运营方", "Operator"), "cli:test")
    # Keys are older than any clock of a test goes back: what is signed before its key began is found by the audit.
    house = await open_office_house(settings, now=lambda: dt.datetime.now(dt.UTC) - dt.timedelta(days=3))
    try:
        await _fill(house, made)
    finally:
        await house.close()
    return made


async def _fill(house: OfficeHouse, made: Cluster) -> None:
    office = house.office
    await office.agencies.add(AGENCY, name_zh="岭南技能评价中心", name_en="Centre", actor="test")
    filing = FilingRequest(
        occupation_code="6-18-01-01",
        occupation_name="车工",
        levels=("5", "4", "3"),
        from_on=dt.date(2020, 1, 1),
    )
    await office.agencies.add_filing(AGENCY, filing, actor="test")
    key = await office.keys.create(AGENCY, KeyPurpose.TOKEN, actor="test")
    await office.keys.activate(key.kid, actor="test")
    made.agency_key = (await office.credentials.create("agency", agency=AGENCY, actor="test"))[1]
    made.operator_key = (await office.credentials.create("operator", agency=None, actor="test"))[1]
    requests = [issue_request(serial) for serial in range(SEEDED)]
    rows = [Row(f"first-{i}", msgspec.convert(one, IssueRequest)) for i, one in enumerate(requests)]
    for request, issued in zip(requests, await house.issuance.issue_many(AGENCY, rows, "test"), strict=True):
        assert isinstance(issued, Issued), issued
        holder = request["holder"]
        made.seeded.append(Seeded(issued.number, issued.scan_code, holder["name"], holder["id_number"]))
    made.aside = made.seeded.pop()


def dice(*words: object) -> random.Random:
    """The same every time for the same words."""
    return random.Random(repr(words))
