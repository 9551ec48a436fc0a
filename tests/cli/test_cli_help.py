"""Every command explains itself, with an example that its own options allow."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from verify.cli import main

PROMISED = {
    "init", "serve", "agency add", "agency show", "agency list", "agency suspend", "agency cancel",
    "agency reinstate", "filing add", "filing list", "filing end", "key create", "key list", "key activate",
    "key retire", "key compromise", "credential create", "credential list", "credential revoke",
    "credential rotate", "credential end-old", "issue",
    "suspend", "reinstate", "revoke", "reissue", "show", "history", "lookup", "check", "audit", "backup",
    "restore", "config", "recover status", "recover guard", "recover alone", "recover promote", "recover accept",
    "case list", "case show", "case accept", "case assign", "case answer", "case close", "imitation list", "imitation add",
    "imitation remove", "migrate", "witness", "template check", "template list", "overprint",
}  # fmt: skip
SILENT = {"serve", "demo", "overprint", "recover guard", "recover alone", "recover accept", "witness"}
"""Commands that print no data."""


def commands(group: click.Group = main, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        full = f"{path} {name}".strip()
        if isinstance(command, click.Group):
            yield from commands(command, full)
        else:
            yield full, command


EVERY = dict(commands())


def test_every_promised_command_is_there() -> None:
    assert EVERY.keys() >= PROMISED


@pytest.mark.parametrize(
    "path", [*EVERY, "", "agency", "filing", "key", "credential", "recover", "case", "imitation"]
)
def test_help_shows_an_example_of_the_command_itself(path: str) -> None:
    result = CliRunner().invoke(main, [*path.split(), "--help"])
    assert result.exit_code == 0
    _, found, example = result.output.partition("Example:")
    assert found, result.output
    assert re.search(rf"\bverify {path}".rstrip(), example)


@pytest.mark.parametrize("path", EVERY)
def test_the_options_of_the_example_exist(path: str) -> None:
    command = EVERY[path]
    known = {name for parameter in command.params for name in parameter.opts}
    text = (command.help or "").partition("Example:")[2]
    lines = [line for line in text.splitlines() if f"verify {path}" in line]
    assert lines
    for line in lines:
        options = [word for word in shlex.split(line) if word.startswith("--")]
        assert set(options) <= known, line


@pytest.mark.parametrize("path", sorted(EVERY.keys() - SILENT))
def test_every_command_that_prints_data_has_json(path: str) -> None:
    assert "--json" in {name for parameter in EVERY[path].params for name in parameter.opts}


@pytest.mark.parametrize("path", EVERY)
def test_every_option_says_what_it_is(path: str) -> None:
    for parameter in EVERY[path].params:
        if isinstance(parameter, click.Option):
            assert parameter.help or isinstance(parameter.type, (click.Choice, click.IntRange)), (
                parameter.name
            )


def test_wrong_use_exits_2() -> None:
    for args in (["nonsense"], ["agency", "add"], ["serve", "--role", "none"], ["lookup", "--nonsense", "x"]):
        assert CliRunner().invoke(main, args).exit_code == 2
