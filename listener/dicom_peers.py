"""Who may associate: an AE title counts only together with where it calls from and, under TLS, its certificate."""

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv6Address, ip_address
from typing import Any

from config.schema import DicomDoor, DicomPeer


class Refusal(Enum):
    """A-ASSOCIATE-RJ as (result, source, reason), PS3.8 table 9-21."""

    CALLING_AE = (1, 1, 3)  # rejected permanent, service user, calling AE title not recognised
    CALLED_AE = (1, 1, 7)  # rejected permanent, service user, called AE title not recognised
    CONGESTION = (2, 3, 1)  # rejected transient, service provider, temporary congestion: shutting down
    LIMIT = (2, 3, 2)  # rejected transient, service provider, local limit exceeded


def refusal(door: DicomDoor, *, calling: str, called: str, address: str, certificate_cn: str | None) -> Refusal | None:
    """Tell why this caller may not associate, or ``None``.

    The caller is judged before the called title, so that a stranger does not learn ours by trying.
    """
    if not any(_matches(peer, calling.strip(), address, certificate_cn) for peer in door.peers):
        return Refusal.CALLING_AE
    return None if called.strip() == door.ae_title.strip() else Refusal.CALLED_AE


def _matches(peer: DicomPeer, calling: str, address: str, certificate_cn: str | None) -> bool:
    if peer.ae_title.strip() != calling:
        return False
    if peer.certificate_cn is not None and peer.certificate_cn != certificate_cn:
        return False
    caller = ip_address(address.partition("%")[0])
    if isinstance(caller, IPv6Address) and caller.ipv4_mapped:  # an IPv4 caller at a dual-stack socket
        caller = caller.ipv4_mapped
    return any(caller in network for network in peer.addresses)


def common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """Return the subject's common name of a certificate as ``SSLSocket.getpeercert`` gives it."""
    subject = (certificate or {}).get("subject", ())
    return next((value for rdn in subject for name, value in rdn if name == "commonName"), None)
