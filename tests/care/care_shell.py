"""An installation driven through the commands alone, on either engine."""

import asyncio
import csv
import json
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from verify.cli import main
from world import COLUMNS, person_name, resident_id

AGENCY = "S000035000123"


class Shell:
    """Runs `verify …` in one directory."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.set = monkeypatch.setenv
        self.unset = monkeypatch.delenv
        self._people = 0

    def __call__(self, *args: str, code: int = 0) -> Result:
        """Run one command; its exit code must be `code`, and it must not break."""
        result = CliRunner().invoke(main, list(args))
        broken = result.exception is not None and not isinstance(result.exception, SystemExit)
        if broken or result.exit_code != code:
            raise AssertionError(f"{args} -> {result.exit_code}\n{result.output}") from result.exception
        return result

    def json(self, *args: str, code: int = 0) -> Any:
        """What the command prints with --json."""
        return json.loads(self(*args, "--json", code=code).stdout)

    def prepare(self) -> None:
        """An agency that may issue."""
        self("init")
        self("agency", "add", AGENCY, "--name", "某评价机构", "--name-en", "An agency")
        filing = ("--occupation", "6-18-01-01", "车工", "--levels", "5,4,3", "--from", "2020-01-01")
        self("filing", "add", AGENCY, *filing)
        self("key", "create", AGENCY, "--activate")

    def issue(self, count: int) -> list[str]:
        """Issue to people who were not there before; their numbers."""
        path = self.folder / f"roster-{uuid.uuid4().hex[:8]}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            for _ in range(count):
                self._people += 1
                writer.writerow(
                    dict.fromkeys(COLUMNS, "")
                    | {
                        "row_id": f"R{self._people}", "name": person_name(self._people), "id_type": "RESIDENT_ID",
                        "id_number": resident_id(self._people), "occupation_code": "6-18-01-01",
                        "occupation_name": "车工", "level": "4", "issued_on": "2026-01-20", "theory": "82",
                        "practical": "91",
                    }
                )  # fmt: skip
        self("issue", str(path))
        text = path.with_name(path.name + ".result.csv").read_text("utf-8-sig")
        return [row["number"] for row in csv.DictReader(text.splitlines())]

    def verdict(self, number: str) -> str:
        """What the public is told."""
        result = CliRunner().invoke(main, ["lookup", number, "--json"])
        if result.exit_code and not result.stdout:
            return result.stderr
        answers = json.loads(result.stdout)["answers"]
        return str(answers[0]["verdict"]) if answers else "unknown"


def fresh_database(server_dsn: str) -> str:
    """The address of a new, empty database."""
    name = f"care_{uuid.uuid4().hex[:12]}"

    async def create() -> None:
        connection = await asyncpg.connect(server_dsn)
        await connection.execute(f"create database {name}")
        await connection.close()

    asyncio.run(create())
    return server_dsn.replace("/postgres?", f"/{name}?")
