"""Runs the scripts of `static/` on plain values: with the system's node, else in chromium, else skips aloud."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

STATIC = Path(__file__).parents[1] / "static"
CHROMIUM = Path("/usr/bin/chromium")


def run_script(files: list[str], body: str, given: Any) -> Any:
    """What the function body returns after `files` were loaded, with `given` as its one argument. JSON both ways."""
    sources = "\n".join((STATIC / name).read_text("utf-8") for name in files)
    if node := shutil.which("node"):
        program = f"{sources}\nconst given = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
        program += f"(async () => {{ {body} }})().then((r) => process.stdout.write(JSON.stringify(r)));"
        done = subprocess.run(
            [node, "-e", program], input=json.dumps(given).encode(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)
    if not CHROMIUM.exists():
        pytest.skip("neither node nor chromium: the scripts of the pages did not run")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.evaluate(sources)
        found = page.evaluate(f"async (given) => {{ {body} }}", given)
        browser.close()
        return found
