"""`lookup` and `check`: what the public is told."""

import asyncio
import datetime as dt
import hashlib
import json
import re
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import click

from verify.certificate.status import Verdict
from verify.cli import errand
from verify.errors import Malformed, NotFound, Unavailable, Unreadable, VerifyError, Words
from verify.lookup.check import Report, check_offline
from verify.lookup.scan import Reply
from verify.proof.public import fingerprint
from verify.proof.trust import claimed_roots, verify_trust_list
from verify.web.public.checks_papers import (
    brought_text,
    is_pdf,
    is_picture,
    judge,
    judge_offline,
    known_about,
    number_in,
    pictured,
    read_paper,
    roots_of,
    unusable,
)
from verify.wiring import House

TIMEOUT_S = 15
MAX_ANSWER_BYTES = 4 << 20
MAX_FILE_BYTES = 8 << 20


@click.command()
@click.argument("number")
@click.option("--name", help="The holder's name: shows the full public face.")
@click.option("--server", metavar="URL", help="Ask this service; left out: the register of this machine.")
@errand.json_option
def lookup(number: str, name: str | None, server: str | None, as_json: bool) -> None:
    """What the public is told about a number. Exit code 0 only for `valid`.

    \b
    Example:
      verify lookup S000035000123263000001 --name 魏敏刚 --server https://cert.example.cn
    """
    if server is None:
        answers = [
            json.loads(one) for one in errand.in_public(lambda house: _ask(house, number, name)).answers
        ]
    else:
        answers = ask_server(server, number, name)
    if as_json:
        errand.put_json({"answers": answers})
    elif not answers:
        click.echo("unknown: no such certificate, or the name does not fit")
        click.echo("查无此证，或姓名不符")
    for answer in () if as_json else answers:
        put_answer(answer)
    if not answers or any(answer["verdict"] != Verdict.VALID for answer in answers):
        raise SystemExit(errand.BAD_NEWS)


@click.command()
@click.argument("what", metavar="FILE|URL|TEXT|-")
@click.option("--trust", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A trust.json.")
@click.option("--offline", is_flag=True, help="Ask no register; needs --trust.")
@click.option("--server", metavar="URL", help="Ask this service; left out: the register of this machine.")
@click.option(
    "--results",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The NDJSON file of a list.",
)
@errand.json_option
def check(
    what: str, trust: Path | None, offline: bool, server: str | None, results: Path | None, as_json: bool
) -> None:
    """Check what somebody shows: each check by name, one verdict. Exit code 0 only for `valid`.

    For a scan or photo that is the verdict on the register entry behind its code: compare the page by eye.

    The PDF (its signature, changes since, its page), a PNG or JPEG with a QR code, the code's address, the
    token's digits, a scan code, a credential, a receipt, the signature of a list (with --results its file is
    compared); `-` reads standard input. Offline it never says more than
    "authentic; status not checked since …".

    \b
    Example:
      verify check certificate.pdf
      verify check photo.jpg
      verify check credential.jwt --offline --trust trust.json
    """
    if offline and trust is None:
        raise click.UsageError("--offline needs --trust trust.json.")
    brought = read_brought(what)
    if trust is not None:
        report = _offline(brought, trust)
    elif server is not None:
        report = _ask_check(server, brought)
    else:
        report = _report(errand.in_public(lambda house: _ask_check_here(house, brought)))
    if results is not None:
        _compare(report, results)
    if as_json:
        errand.put_json(report)
    else:
        put_report(report)
    if results is not None and report["results"]["file"] == "same":
        return
    if report["verdict"] != Verdict.VALID:
        raise SystemExit(errand.BAD_NEWS)


async def _ask_check_here(house: House, brought: bytes | str) -> Report:
    if isinstance(brought, str):
        return await house.checker.check(brought)
    return await check_paper(house, brought)


async def check_paper(house: House, file: bytes) -> Report:
    """A PDF or picture against the register of this machine. Raises Unavailable, StoreFailed."""
    if is_picture(file):
        return pictured(await house.checker.check(brought_text(file)))
    at = dt.datetime.now(dt.UTC)
    roots = roots_of((await house.store.read(lambda: known_about(None))).keys)
    try:
        paper = await asyncio.to_thread(read_paper, file, roots, at)
    except Unreadable as error:
        return unusable(error, await house.checker.check(""))
    known = await house.store.read(lambda: known_about(number_in(paper)))
    return await judge(paper, known, house.checker.check)


async def _ask(house: House, number: str, name: str | None) -> Reply:
    if name is None:
        return await house.lookup.by_number(number)
    return await house.lookup.by_number_and_name(number, name)


def ask_server(server: str, number: str, name: str | None) -> list[dict[str, Any]]:
    """The answers of a service; none for a miss. Raises Unavailable, Malformed."""
    if name is None:
        path = "/api/v1/certificates/" + urllib.parse.quote(number, safe="")
        answer = _fetch(server, path)
        return [] if answer.get("verdict") == Verdict.UNKNOWN else [answer]
    found = _post(server, "/api/v1/lookups", {"number": number, "name": name}).get("answers", [])
    return list(found)


_NAMES_A_FILE = re.compile(r"[^:]*\.[A-Za-z]{2,5}")
"""No address, token or credential ends so: the last part of a credential is a signature, 86 characters long."""


def read_brought(what: str) -> bytes | str:
    """A PDF or picture as it is; else the text inside a file or standard input; or `what` itself.

    Raises Unreadable, and NotFound for what can only be the name of a file.
    """
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if what == "-" else _file(Path(what))
    if data is None:
        if _NAMES_A_FILE.fullmatch(what):
            missing = Words(f"没有文件 {what}。", f"There is no file {what}.")
            raise NotFound(
                missing, hint="name the file, or bring what its QR code holds; verify check --help"
            )
        return what
    if len(data) > MAX_FILE_BYTES:
        raise Unreadable(Words("文件过大。", "The file is larger than 8 MiB."))
    if is_pdf(data) or is_picture(data):
        return data
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise Unreadable from error


def _file(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):  # no file, or too long for a path: a token
        return None


def _compare(report: dict[str, Any], file: Path) -> None:
    """Add whether the file is the one that the signature names. Raises Malformed for no signature of a list."""
    told = report.get("results")
    if told is None:
        what = Words("所核验的不是批量查验的签名。", "What was checked is no good signature of a list.")
        raise Malformed(what, hint="verify check signature.jwt --results results.ndjson")
    with file.open("rb") as body:
        digest = hashlib.file_digest(body, "sha256").hexdigest()
    told["file"] = "same" if digest == told["results_sha256"] else "different"


def put_answer(answer: dict[str, Any]) -> None:
    """One answer as text."""
    certificate, holder = answer.get("certificate", {}), answer.get("holder", {})
    status, copy = answer.get("status", {}), answer.get("copy", {})
    reason = status.get("reason") or {}
    occupation, agency = certificate.get("occupation", {}), certificate.get("agency", {})
    click.echo(f"{answer['verdict']}: {answer['message']['en']}")
    click.echo(f"{answer['message']['zh']}")
    errand.put_pairs(
        {
            "number": answer.get("number"), "as of": answer.get("as_of"), "since": status.get("since"),
            "until": status.get("until"), "reason": reason.get("en"), "holder": holder.get("name"),
            "document": holder.get("id_number_masked"), "occupation": _named(occupation),
            "level": _named(certificate.get("level")), "issued on": certificate.get("issued_on"),
            "agency": _named(agency), "copy": copy.get("number"), "current copy": copy.get("current_number"),
            "replaced by": answer.get("replaced_by"), "replaces": answer.get("replaces"),
        }
    )  # fmt: skip


def put_report(report: dict[str, Any]) -> None:
    """A check report as text."""
    message = report["message"]
    click.echo(f"{report['verdict']}: {message['en']}")
    click.echo(message["zh"])
    rows = [(one["name"], one["outcome"], one["detail"]["en"]) for one in report["checks"]]
    errand.put_table(("check", "outcome", "detail"), rows)
    receipt = report.get("receipt")
    if receipt:
        now = {one["number"]: one["verdict"] for one in receipt["now"]}
        said = [(one["number"], one["verdict"], now.get(one["number"])) for one in receipt["then"]]
        errand.put_pairs(
            {"given to": receipt["employer"], "as of": receipt["as_of"], "ledger": receipt["seq"]}
        )
        errand.put_table(("certificate", "then", "now"), said)
    if results := report.get("results"):
        errand.put_pairs({name.replace("_", " "): value for name, value in results.items()})


def _named(value: object) -> object:
    if not isinstance(value, dict):
        return value
    parts = (value.get("code"), value.get("name") or value.get("zh"), value.get("en"))
    return " ".join(str(part) for part in parts if part and not isinstance(part, dict))


def _offline(content: str | bytes, trust: Path) -> dict[str, Any]:
    data = trust.read_bytes()
    roots = claimed_roots(data)
    now = dt.datetime.now(dt.UTC)
    verified = verify_trust_list(data, roots, now=now)
    for root in roots.values():
        print_of = fingerprint(root)
        errand.note(
            Words(
                f"信任列表第 {verified.sequence} 号，根密钥指纹 {print_of}，请与公布的指纹比对。",
                f"Trust list {verified.sequence}, root fingerprint {print_of}: compare it with the published one.",
            )
        )
    if isinstance(content, str):
        return _report(check_offline(content, verified, now))
    if is_picture(content):
        return _report(pictured(check_offline(brought_text(content), verified, now)))
    try:
        paper = read_paper(content, roots_of(verified.keys), now)
    except Unreadable as error:
        return _report(unusable(error, check_offline("", verified, now)))
    return _report(errand.run(judge_offline(paper, verified, now)))


def _report(report: Report) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(report.to_json())
    return shown


# --- another service ------------------------------------------------------------------------------------


def _post(server: str, path: str, body: dict[str, str]) -> dict[str, Any]:
    return _fetch(server, path, json.dumps(body).encode())


def _ask_check(server: str, content: str | bytes) -> dict[str, Any]:
    """The report of a service; a PDF or picture goes as a form's file (RFC 7578)."""
    if isinstance(content, str):
        return _post(server, "/api/v1/checks", {"token": content})
    mark = secrets.token_hex(16)
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
    return _fetch(server, "/api/v1/checks", body, f"multipart/form-data; boundary={mark}")


def _address(server: str) -> str:
    if urllib.parse.urlsplit(server).scheme not in ("http", "https"):
        what = Words(f"{server} 不是网址。", f"{server} is no address of a service.")
        raise Malformed(what, hint="verify lookup NUMBER --server https://cert.example.cn")
    return server.rstrip("/")


def _fetch(
    server: str, path: str, body: bytes | None = None, media: str = "application/json"
) -> dict[str, Any]:
    """The JSON of an answer, a miss included. Raises Unavailable, Malformed."""
    headers = {"Accept": "application/json", "Content-Type": media}
    address = _address(server) + path
    request = urllib.request.Request(address, body, headers)  # noqa: S310 - _address takes http and https only
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310 - as above
            data = reply.read(MAX_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        data = error.read(MAX_ANSWER_BYTES)
        if error.code != 404:
            raise _refused(error.code, data) from error
    except (TimeoutError, OSError) as error:
        what = Words("无法连接该服务。", f"The service does not answer: {error}.")
        raise Unavailable(
            what, hint="check the address and the network; nothing is said about the certificate"
        ) from error
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise Unavailable(
            Words("应答无法解析。", "The answer is no JSON: is this a service of ours?")
        ) from error
    if not isinstance(answer, dict):
        raise Unavailable(Words("应答无法解析。", "The answer is no JSON object: is this a service of ours?"))
    return answer


def _refused(status: int, data: bytes) -> VerifyError:
    try:
        detail = str(json.loads(data).get("detail") or status)
    except (ValueError, AttributeError):
        detail = str(status)
    what = Words(f"服务拒绝了请求：{detail}", f"The service refused ({status}): {detail}")
    return Unavailable(what) if status >= 500 or status == 429 else Malformed(what)
