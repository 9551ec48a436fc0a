"""An installation in a directory of its own, driven through the commands alone."""

import csv
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from verify.cli import main

AGENCY = "S000035000123"
COLUMNS = (
    "row_id", "name", "id_type", "id_number", "occupation_code", "occupation_name", "work_type", "level",
    "issued_on", "theory", "practical", "review", "remark",
)  # fmt: skip
PEOPLE = (
    ("R1", "魏敏刚", "992960197006121750"),
    ("R2", "周敏平", "993777200304120037"),
    ("R3", "何晨梓", "996072198307149559"),
)


class Shell:
    """Runs `verify …` in one directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str, code: int = 0, stdin: bytes | None = None) -> Result:
        """Run one command; its exit code must be `code`, and it must not break."""
        result = CliRunner().invoke(main, list(args), input=stdin)
        broken = result.exception is not None and not isinstance(result.exception, SystemExit)
        if broken or result.exit_code != code:
            raise AssertionError(f"{args} -> {result.exit_code}\n{result.output}") from result.exception
        return result

    def json(self, *args: str, code: int = 0) -> Any:
        """What the command prints with --json."""
        return json.loads(self(*args, "--json", code=code).stdout)

    def roster(self, name: str = "roster.csv", **last: str) -> Path:
        """A roster of three; `last` changes cells of the last row."""
        path = self.folder / name
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            for row_id, person, number in PEOPLE:
                row = dict.fromkeys(COLUMNS, "") | {
                    "row_id": row_id, "name": person, "id_type": "RESIDENT_ID", "id_number": number,
                    "occupation_code": "6-18-01-01", "occupation_name": "车工", "level": "4",
                    "issued_on": "2026-01-20", "theory": "82", "practical": "91",
                }  # fmt: skip
                writer.writerow(row | (last if row_id == "R3" else {}))
        return path

    def results(self, path: Path) -> list[dict[str, str]]:
        """The rows of a result file."""
        text = path.with_name(path.name + ".result.csv").read_text("utf-8-sig")
        return list(csv.DictReader(text.splitlines()))

    def issued(self) -> list[str]:
        """Issue the roster; its three numbers."""
        path = self.roster()
        self("issue", str(path))
        return [row["number"] for row in self.results(path)]
