"""How a command runs: settings read, house opened, the answer printed, an error told with its next step."""

import asyncio
import getpass
import os
import sys
import unicodedata
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from verify.config import Settings
from verify.errors import BadSettings, Conflict, Invalid, Malformed, NotFound, StoreFailed, VerifyError, Words
from verify.wiring import House, Role, open_house, read_settings
from verify.wiring.desks import OfficeHouse, open_office_house

T = TypeVar("T")

BAD_NEWS = 1
WRONG_USE = 2
STOPPED = 130
_WRONG = (Invalid, Malformed, BadSettings)
_ASKED = "verify.asked"
"""Key of the running command's name in the context."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


class Commands(click.Group):
    """A group that tells errors of the product in both languages and exits 1, or 2 for wrong use."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a VerifyError ends the process with its words and its hint, and so does a file or folder
        that the machine refuses."""
        try:
            return super().invoke(ctx)
        except VerifyError as error:
            tell_error(error)
            ctx.exit(WRONG_USE if isinstance(error, _WRONG) else BAD_NEWS)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads on
        except OSError as error:
            if error.filename is None:
                raise
            tell_error(_refused(error))
            ctx.exit(BAD_NEWS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click; what was asked for is kept for the hint of an error, two levels deep."""
        name, command, rest = super().resolve_command(ctx, args)
        path = [ctx.command_path, name or ""]
        if isinstance(command, click.Group) and rest and rest[0] in command.commands:
            path.append(rest[0])
        ctx.meta[_ASKED] = " ".join(path)
        return name, command, rest


def settings() -> Settings:
    """The settings of this process. Raises BadSettings."""
    return read_settings(os.environ, Path.cwd())


def actor() -> str:
    """Who acts, as the ledger names it: the user of the operating system."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container without a user table
        return f"cli:{os.geteuid()}"


def in_office(job: Callable[[OfficeHouse], Awaitable[T]]) -> T:
    """Open the house with the office, do the job, close it. Keys are checked when used, not all at the start."""
    return asyncio.run(_in_office(job))


def run(job: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end."""
    return asyncio.run(job)


async def _in_office(job: Callable[[OfficeHouse], Awaitable[T]]) -> T:
    house = await open_office_house(settings(), keys_checked=False)
    try:
        return await job(house)
    finally:
        await house.close()


def in_public(job: Callable[[House], Awaitable[T]]) -> T:
    """The same for what a public node can do."""
    return asyncio.run(_in_public(job))


async def _in_public(job: Callable[[House], Awaitable[T]]) -> T:
    house = await open_house(settings(), Role.PUBLIC)
    try:
        return await job(house)
    finally:
        await house.close()


def put_json(value: object) -> None:
    """One JSON document on standard output, readable and stable."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2)
    click.echo(text.decode())


def put_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns that line up on a terminal, Chinese characters counted double."""
    cells = [[_cell(value) for value in row] for row in (headings, *rows)]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(headings))]
    for row in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def put_pairs(pairs: dict[str, object]) -> None:
    """One line for each: name, value. What is absent is left out."""
    shown = {name: value for name, value in pairs.items() if value not in (None, "", ())}
    width = max(_width(name) for name in shown)
    for name, value in shown.items():
        click.echo(f"{name}{' ' * (width - _width(name))}  {_cell(value)}")


def note(words: Words) -> None:
    """Something to know, on standard error, in both languages."""
    click.echo(words.en, err=True)
    click.echo(words.zh, err=True)


def tell_error(error: VerifyError) -> None:
    """The error in both languages, its faults, and what to do next; on standard error."""
    click.echo(f"error: {error.detail.en}", err=True)
    click.echo(f"错误：{error.detail.zh}", err=True)
    for fault in error.faults:
        said = "" if fault.detail == error.detail else f": {fault.detail.en} {fault.detail.zh}"
        click.echo(f"  {fault.pointer or '/'} ({fault.code}){said}", err=True)
    click.echo(f"next: {error.hint or _next(error)}", err=True)


def is_terminal() -> bool:
    """Whether a person watches."""
    return sys.stderr.isatty()


def _next(error: VerifyError) -> str:
    context = click.get_current_context(silent=True)
    command = context.meta.get(_ASKED, context.command_path) if context else "verify"
    if isinstance(error, _WRONG):
        return f"correct what is listed and run it again; {command} --help shows an example"
    if isinstance(error, NotFound):
        return f"compare it letter by letter with what is registered; {command} --help shows an example"
    if isinstance(error, Conflict):
        return "nothing was changed; look at what is there now before anything else"
    return f"{command} --help; if it stays, verify audit"


def _refused(error: OSError) -> VerifyError:
    why, where = error.strerror or type(error).__name__, error.filename
    what = Words(f"无法读写 {where}：{why}。", f"{where} cannot be read or written: {why}.")
    return StoreFailed(what, hint=f"ls -ld {where}; name another place, or let this user write there")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, (tuple, list)):
        return ",".join(str(one) for one in value)
    return str(value)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
