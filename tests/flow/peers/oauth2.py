"""oauth2-mock-server, an authorization server that is not ours, as a process of its own (oauth2.mjs)."""

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests import peers

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / "node_modules" / "oauth2-mock-server"


class Authority:
    """``base``: of the FHIR server that believes its tokens; ``patients``: what a token opens there."""

    def __init__(self) -> None:
        node = peers.require("node")
        if not INSTALLED.is_dir():
            peers.missing("tests/node_modules (npm ci --prefix tests)")
        command = [node, HERE / "oauth2.mjs"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._root = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self.token_url = f"{self._root}/token"
        self.base = f"{self._root}/fhir"
        self.patients = f"{self.base}/Patient"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)  # closes its standard input, upon which it ends

    def fails(self, **fault: Any) -> None:
        """From now on: see oauth2.mjs; nothing given, nothing fails."""
        self._call("/_fault", fault)

    def rotate(self) -> None:
        """It signs with a new key; no token of the old one is believed."""
        self._call("/_rotate")

    def asked(self) -> list[dict[str, str]]:
        """The form of each request for a token since this was last called."""
        return self._call("/_asked")

    def _call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self._root + path, data), timeout=20) as answer:
            return json.load(answer)
