"""Deployment files that ship with the program: how a node is started, watched and shielded."""

from importlib import resources
from typing import Final

FILES: Final = {
    "systemd": "systemd.service",
    "nginx": "nginx.conf",
    "caddy": "Caddyfile",
    "compose": "compose.yaml",
    "kubernetes": "kubernetes.yaml",
}
"""File by the name that `verify config --template` takes."""


def deployment_file(name: str) -> str:
    """The text of one file of `FILES`. What could not be run when it was tested, its first lines say."""
    folder = resources.files("verify.cli").joinpath("templates")
    return folder.joinpath(FILES[name]).read_text("utf-8")
