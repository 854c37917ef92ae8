"""What ``ecgd check`` finds out by asking the destinations themselves."""

import socket
from collections.abc import Iterator

from config.load import Mistake
from config.schema import Fhir, Hl7v2, Settings
from config.secrets import is_elsewhere, read_secret

LONGEST_S = 5.0  # a person waits


def mistakes(settings: Settings) -> Iterator[Mistake]:
    """What a server says it cannot do and its profile needs, and keys that cannot sign; one that is down is none."""
    for number, destination in enumerate(settings.destinations):
        if isinstance(destination, Fhir):
            yield from _keys(f"destinations[{number}]", destination)
            yield from _lacking(f"destinations[{number}]", destination)


def silent(settings: Settings) -> Iterator[str]:
    """Destinations that do not answer now: no mistake, for the service waits for them, but worth knowing."""
    for number, destination in enumerate(settings.destinations):
        if isinstance(destination, Hl7v2):
            if not _listens(destination):
                yield f"destinations[{number}]: nobody answers at {destination.host}:{destination.port} now"
        elif _said(destination) is None:
            yield f"destinations[{number}]: no CapabilityStatement at base_url/metadata now"


def _keys(where: str, destination: Fhir) -> Iterator[Mistake]:
    from delivery.smart import keys_of

    if destination.smart is None or is_elsewhere(destination.smart.jwks_file):
        return
    try:
        keys_of(read_secret(destination.smart.jwks_file))
    except OSError:
        return  # told of with the other secrets
    except ValueError as error:
        yield Mistake(f"{where}.smart.jwks_file", str(error), '{"keys": [...]}, the newest last')


def _lacking(where: str, destination: Fhir) -> Iterator[Mistake]:
    for words in _said(destination) or ():
        yield Mistake(f"{where}.profile", f"the server {words}", "another profile or destination, or ask its people")


def _said(destination: Fhir) -> tuple[str, ...] | None:
    from delivery.http import FhirSender

    heard: list[tuple[str, ...]] = []
    patience = min(destination.timeout_s, LONGEST_S)
    sender = FhirSender(destination.model_copy(update={"timeout_s": patience}), on_lacks=heard.append)
    try:
        sender.can()
    finally:
        sender.close()
    return heard[0] if heard else None


def _listens(destination: Hl7v2) -> bool:
    try:
        with socket.create_connection((destination.host, destination.port), LONGEST_S):
            return True
    except OSError:
        return False
