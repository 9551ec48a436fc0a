"""Which addresses are called: https and public ones alone, as resolved for this very connection."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from employer_place import employer, receiving
from hypothesis import given
from hypothesis import strategies as st
from test_employers_feed import NAME, issue

from verify.employers.addresses import is_refused, parse_target
from verify.employers.messages import Outcome
from verify.employers.webhooks import WebhookRequest
from verify.errors import Conflict, Invalid
from verify.wiring.webhook import WebhookPost
from world import World

NEVER = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "192.88.99.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::",
    "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::7f00:1", "::8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "fc00::1",
    "fd00:ec2::254", "fd12:3456::1", "fe80::1", "fe80::a9fe:a9fe", "fe80::1%eth0", "fec0::1", "ff02::1",
    "ff0e::1", "5f00::1", "localhost", "metadata.google.internal", "0x7f000001", "2130706433", "127.1",
    "１２７.0.0.1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "101.35.1.1",
    "223.5.5.5",
    "2606:4700::1111",
    "2400:3200::1",
    "2001:4860::8888",
]


@pytest.mark.parametrize("address", NEVER)
def test_what_lies_inside_or_only_looks_public_is_refused(address: str) -> None:
    assert is_refused(address, loopback=False)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called(address: str) -> None:
    assert not is_refused(address, loopback=False)


@given(st.ip_addresses())
def test_no_address_is_called_that_the_library_does_not_call_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert is_refused(str(address), loopback=False) or (address.is_global and not address.is_multicast)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "64:ff9b::", "::"]))
def test_an_ipv4_address_inside_an_ipv6_address_is_never_called(
    address: ipaddress.IPv4Address, front: str
) -> None:
    inside = ipaddress.IPv6Address(int(ipaddress.IPv6Address(front)) | int(address))
    assert is_refused(str(inside), loopback=False)


def test_the_setting_for_development_opens_this_machine_and_nothing_else() -> None:
    assert [one for one in NEVER if not is_refused(one, loopback=True)] == [
        "127.0.0.1",
        "127.255.255.254",
        "::1",
    ]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://HR.Example.com", "https://hr.example.com/"),
        ("https://hr.example.com:443/a?b=c%20d", "https://hr.example.com/a?b=c%20d"),
        ("https://hr.example.com:8443/%E4%B8%AD", "https://hr.example.com:8443/%E4%B8%AD"),
        ("https://xn--fiqs8s.example/x", "https://xn--fiqs8s.example/x"),
    ],
)
def test_an_address_is_kept_as_it_will_be_called_and_signed(text: str, url: str) -> None:
    assert parse_target(text, loopback=False) == url == parse_target(url, loopback=False)


@pytest.mark.parametrize(
    "text",
    [
        "", "http://hr.example.com/", "HTTPS://hr.example.com/", "ftp://hr.example.com/", "//hr.example.com/",
        "https://user@hr.example.com/", "https://u:p@hr.example.com/", "https://hr.example.com/#x",
        "https://hr.example.com:22/", "https://hr.example.com:80/", "https://hr.example.com:99999/",
        "https://127.0.0.1/", "https://8.8.8.8/", "https://2130706433/", "https://[::1]/", "https://[fe80::1]/",
        "https://localhost:8000/", "https://中国.example/", "https://hr.example.com/ x", "https://hr.example.com/\n",
        "https://hr.example.com\\@evil.example/", "https://hr..example.com/", "https://-x.example/",
        "https://hr.example.com/" + "a" * 1000, "https://hr.example.com/?x=[y]",
    ],
)  # fmt: skip
def test_every_other_address_is_refused_when_it_is_named(text: str) -> None:
    with pytest.raises(Invalid):
        parse_target(text, loopback=False)


class Rebinding:
    """A name server that says something else each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


@pytest.mark.parametrize(
    "inside",
    [["169.254.169.254"], ["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["fd00:ec2::254"], ["::ffff:a9fe:a9fe"], ["127.0.0.1"]],
)  # fmt: skip
async def test_a_name_that_leads_inside_is_not_called(inside: list[str]) -> None:
    post = WebhookPost(loopback=False, resolve=Rebinding(inside), total_s=2)
    for url in ("https://hr.example.com/", "https://hr.example.com:8443/x"):
        sent = await post(url, {}, b"{}")
        assert (sent.outcome, sent.status) == (Outcome.ADDRESS_REFUSED, None)
    await post.close()


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://169.254.169.254/", "http://[::1]:80/"])
async def test_an_address_that_slipped_into_the_register_is_judged_again_when_it_is_called(url: str) -> None:
    post = WebhookPost(loopback=False, total_s=2)
    sent = await post(url, {}, b"{}")
    await post.close()
    assert sent.outcome is Outcome.ADDRESS_REFUSED


async def test_a_name_that_is_bound_anew_after_it_was_proven_leads_nowhere(world: World) -> None:
    made = await issue(world, 1)
    names = Rebinding(["127.0.0.1"], ["169.254.169.254"])
    post = WebhookPost(loopback=True, resolve=names, total_s=2)
    async with employer(world, post) as place, receiving(place) as receiver:
        await place.follow(*made, name=NAME)
        url = receiver.url.replace("127.0.0.1", "localhost")
        closing = receiver.take

        async def closed(request: web.Request) -> web.StreamResponse:
            reply = await closing(request)
            reply.force_close()  # so that each request needs a connection of its own
            return reply

        receiver.mode = None
        hook = await place.webhooks.add(WebhookRequest(url), place.credential)
        calls = 0

        def once(request: web.Request) -> web.StreamResponse | object:
            nonlocal calls
            calls += 1
            receiver.mode = None
            return closed(request)

        receiver.mode = once
        await place.webhooks.activate(hook.id, place.credential)
        await world.changes.revoke(made[0].number, "FORGED", world.agency_caller())
        await place.dispatcher.work_once()
        (line, *_) = await place.webhooks.deliveries(hook.id, place.credential)
        assert line.outcome == "address-refused" and receiver.events == [] and names.asked == 2 and calls == 1
    await post.close()


async def test_an_employer_hears_why_its_address_is_not_called(world: World) -> None:
    post = WebhookPost(loopback=False, resolve=Rebinding(["192.168.1.10"]), total_s=2)
    async with employer(world, post) as place:
        hook = await place.webhooks.add(WebhookRequest("https://intranet.example.com/"), place.credential)
        with pytest.raises(Conflict, match="never called"):
            await place.webhooks.activate(hook.id, place.credential)
    await post.close()


async def test_tls_is_verified_against_the_name(tmp_path: Path) -> None:
    """A receiver with a certificate that nobody trusts gets nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hook.test")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*[i in (0, 5) for i in range(9)]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder = tmp_path
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    served: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        served.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    trusting = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    resolve = Rebinding(["127.0.0.1"])
    stranger = WebhookPost(loopback=True, resolve=resolve, total_s=2)
    friend = WebhookPost(loopback=True, resolve=resolve, tls=trusting, total_s=2)
    assert (await stranger(f"https://hook.test:{port}/", {}, b"1")).outcome is Outcome.UNREACHABLE
    assert (await friend(f"https://other.test:{port}/", {}, b"2")).outcome is Outcome.UNREACHABLE
    assert (await friend(f"https://hook.test:{port}/", {}, b"3")).outcome is Outcome.DELIVERED
    assert served == [b"3"]
    for post in (stranger, friend):
        await post.close()
    await runner.cleanup()
