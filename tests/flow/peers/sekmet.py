"""sekmet-fhir, a FHIR server that is not ours, with real SMART Backend Services, as a process of its own."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode
from uuid import uuid4

import yaml
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.flow.harness import free_port, until

CLIENT, READER = "ecgd", "reader"
SCOPE = "system/*.*"


class Sekmet:
    """``ours``: our keys, whose public halves it knows; ``token_s``: how long its tokens last."""

    def __init__(self, folder: Path, *ours: ECKey, token_s: int = 3600) -> None:
        self.root = f"http://127.0.0.1:{free_port()}"
        self.url = f"{self.root}/fhir"
        self.reader = ECKey.generate_key("P-384", {"kid": "reader"}, private=True)
        clients = [_client(CLIENT, *ours), _client(READER, self.reader)]
        settings = {
            "base_url": self.url,
            "host": "127.0.0.1",
            "port": int(self.root.rpartition(":")[2]),
            "data_dir": str(folder / "data"),
            "server_auth": {"types": ["smart"], "smart_clients": clients, "token_lifetime": token_s},
            "simulator": {"enabled": False},
        }
        (folder / "sekmet.yaml").write_text(yaml.safe_dump(settings))
        command = [
            sys.executable,
            "-c",
            "from sekmet.cli import app; app()",
            "serve",
            "-c",
            str(folder / "sekmet.yaml"),
        ]
        with (folder / "sekmet.log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)

    def __enter__(self) -> Self:
        until(self._is_up, 60, "sekmet answers")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def _is_up(self) -> bool:
        assert self._process.poll() is None, "sekmet ended"
        try:
            with urllib.request.urlopen(f"{self.root}/fhir/.well-known/smart-configuration", timeout=2):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def stored(self, kind: str) -> list[dict[str, Any]]:
        """Every resource of a type, read with a client of the test's own."""
        bundle = self._call("GET", f"/{kind}?_count=1000")
        return [entry["resource"] for entry in bundle.get("entry", ())]

    def create(self, resource: dict[str, Any]) -> dict[str, Any]:
        """An unconditional create."""
        return self._call("POST", f"/{resource['resourceType']}", resource)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        endpoint, now = f"{self.root}/auth/token", int(datetime.now(UTC).timestamp())
        claims = {"iss": READER, "sub": READER, "aud": endpoint, "jti": uuid4().hex, "iat": now, "exp": now + 120}
        form = {
            "grant_type": "client_credentials",
            "scope": SCOPE,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(
                {"alg": "ES384", "kid": "reader"}, claims, self.reader, algorithms=["ES384"]
            ),
        }
        token = _json(urllib.request.Request(endpoint, urlencode(form).encode()))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        content = json.dumps(body).encode() if body else None
        return _json(urllib.request.Request(f"{self.url}{path}", content, headers, method=method))


def _client(name: str, *keys: ECKey) -> dict[str, Any]:
    return {"client_id": name, "jwks": {"keys": [key.as_dict(private=False) for key in keys]}, "scopes": SCOPE}


def _json(request: urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)
