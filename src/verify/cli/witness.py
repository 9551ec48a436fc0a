"""`witness`: a very small service for another host, that remembers how far the ledger had come."""

import base64
import hmac
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import click
import msgspec

from verify.cli import errand
from verify.errors import NotReady, Words
from verify.proof.ledger import Head
from verify.store.witness import FileWitness, Note

BODY_BYTES: Final = 1 << 10
TIMEOUT_S: Final = 10
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8090, show_default=True)
@click.option("--secret-file", type=FILE, help="Its first line is what nodes must bring.")
def witness(file: Path, host: str, port: int, secret_file: Path | None) -> None:
    """Remember the ledger's head for nodes of another host, in FILE, which only grows.

    Nodes set VERIFY_WITNESS=http://witness:SECRET@THIS-HOST:8090/. Put TLS in front where others can listen. Whoever
    knows the secret can make the service silent, and nothing else.

    \b
    Example:
      verify witness /var/lib/verify/witness --host 0.0.0.0 --secret-file /etc/verify/witness-secret
    """
    server = make_service(FileWitness(file), (host, port), _secret(secret_file))
    errand.note(
        Words(
            f"见证服务：http://{host}:{port}/",
            f"the witness listens on http://{host}:{port}/; stop with Ctrl-C",
        )
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def make_service(kept: FileWitness, address: tuple[str, int], secret: str) -> ThreadingHTTPServer:
    """GET tells the last note, POST adds one; with a secret, only to those who bring it as Basic password."""
    wanted = None if not secret else f"Basic {base64.b64encode(f'witness:{secret}'.encode()).decode()}"

    class Door(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S

        def do_GET(self) -> None:
            """The last note, or nothing."""
            if self._may():
                head = kept.last()
                self._reply(
                    200, b"" if head is None else msgspec.json.encode(Note(head.seq, head.hash.hex()))
                )

        def do_POST(self) -> None:
            """One note more."""
            size = int(self.headers.get("content-length") or 0)
            if not self._may():
                return
            if not 0 < size <= BODY_BYTES:
                self._reply(413, b"")
                return
            try:
                note = msgspec.json.decode(self.rfile.read(size), type=Note)
                kept.note(Head(note.seq, bytes.fromhex(note.hash)), accepted=note.accepted)
            except (msgspec.DecodeError, ValueError):
                self._reply(400, b"")
            except NotReady:
                self._reply(507, b"")
            else:
                self._reply(200, b"")

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: a note a second is no news."""

        def _may(self) -> bool:
            brought = self.headers.get("authorization") or ""
            if wanted is None or hmac.compare_digest(brought.encode(), wanted.encode()):
                return True
            self._reply(401, b"")
            return False

        def _reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer(address, Door)


def _secret(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text("utf-8").splitlines()[0].strip()
    except (OSError, IndexError) as error:
        what = Words(f"无法读取 {path}。", f"{path} cannot be read, or is empty.")
        raise NotReady(what, hint=f"write the secret as its first line; chmod 600 {path}") from error
