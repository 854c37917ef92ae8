"""TLS at the doors, by BCP 195 (RFC 9325): 1.2 at least, client certificates where a CA for them is named."""

import ssl

from config.schema import Tls
from domain.errors import Permanent
from domain.reason import Reason

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # RFC 9325 4.2: TLS 1.2 with forward secrecy and AEAD only


def server_context(tls: Tls) -> ssl.SSLContext:
    """Build a server's context; ``Permanent`` when a certificate, key or CA is missing, unreadable or does not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        raise Permanent(Reason.OUR_FAULT, "TLS certificate, key or client CA not usable") from error
    return context
