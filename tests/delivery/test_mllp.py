"""ORU over MLLP: what each acknowledgement means, and an engine that is not ours at the other end."""

import contextlib
import socket
import ssl
import threading

import hl7
import pytest

from config.schema import Hl7v2
from delivery.hl7 import CONTENT_TYPE, control_id, oru
from delivery.mllp import END, VT, MllpSender, answer
from domain.errors import Permanent, Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason
from tests.delivery import findings
from tests.flow.certificates import Authority
from tests.flow.peers.engine import engine

KEY = f"{findings.CRITICAL.key}:hl7v2:engine"
ID = control_id(KEY)


def acknowledgement(code, *errors, about=ID):
    return "\r".join(["MSH|^~\\&|EPIC|H|ECGD||20260501||ACK|1|P|2.5.1", f"MSA|{code}|{about}", *errors, ""]).encode()


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        (acknowledgement("AA"), type(None), None),
        (acknowledgement("CA"), type(None), None),
        (acknowledgement("AE", "ERR|||207^Application internal error^HL70357|E"), Transient, "destination_unavailable"),
        (acknowledgement("CE", "ERR|||206^Application record locked|E"), Transient, "destination_unavailable"),
        (acknowledgement("AE", "ERR|||204^Unknown key identifier|E|||Ada"), Transient, "patient_unknown"),
        (acknowledgement("AE", "ERR|||102^Data type error^HL70357|E"), Rejected, "destination_refused"),
        (acknowledgement("AE"), Rejected, "destination_refused"),
        (acknowledgement("CE", "ERR|PID^1^3^101&Required field missing"), Rejected, "destination_refused"),
        (acknowledgement("AE", "ERR|PID^1^3^207&Application internal error"), Transient, "destination_unavailable"),
        (acknowledgement("AR", "ERR|||200^Unsupported message type|E"), Permanent, "destination_misconfigured"),
        (acknowledgement("CR", "ERR|||202^Unsupported processing id|E"), Permanent, "destination_misconfigured"),
        (acknowledgement("AR", "ERR|||203^Unsupported version id|E"), Permanent, "destination_misconfigured"),
        (acknowledgement("AR", "ERR|||207^Application internal error|E"), Rejected, "destination_refused"),
        (acknowledgement("CR"), Rejected, "destination_refused"),
        (acknowledgement("AA", about="another"), Transient, "destination_unavailable"),
        (acknowledgement(""), Transient, "destination_unavailable"),
        (acknowledgement("ZZ"), Transient, "destination_unavailable"),
        (b"", Transient, "destination_unavailable"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Transient, "destination_unavailable"),
    ],
)
def test_every_acknowledgement_means_something(said, kind, reason):
    found = answer(said, ID)
    assert type(found) is kind
    assert found is None or found.reason == reason
    assert found is None or "Ada" not in str(found)


def test_separators_of_the_other_end_s_own_are_read():
    said = f"MSH$*~\\&$E\rMSA$AE${ID}\rERR$$$207*Application internal error\r"
    assert answer(said.encode(), ID).reason is Reason.DESTINATION_UNAVAILABLE


def settings(port, **changes):
    return Hl7v2(kind="hl7v2", host="127.0.0.1", port=port, **{"timeout_s": 5, **changes})


def message(port):
    body = oru(findings.CRITICAL, settings(port))
    return Outgoing(key=KEY, channel="hl7v2:engine", content_type=CONTENT_TYPE, body=body)


@contextlib.contextmanager
def sending(port, **changes):
    made = MllpSender(settings(port, **changes))
    yield made
    made.close()


@pytest.mark.peer
def test_an_engine_that_is_not_ours_takes_message_after_message_on_one_connection():
    with engine(lambda message: message.create_ack()) as (port, heard), sending(port) as sender:
        for _ in range(3):
            sender.send(message(port))
    assert len(heard) == 3
    assert {hl7.parse(one).segment("MSH")[10][0] for one in heard} == {ID}


@pytest.mark.peer
def test_an_engine_that_refuses_is_believed():
    with (
        engine(lambda message: message.create_ack("AR")) as (port, _),
        sending(port) as sender,
        pytest.raises(Rejected) as caught,
    ):
        sender.send(message(port))
    assert caught.value.reason is Reason.DESTINATION_REFUSED


@pytest.mark.peer
def test_after_a_lost_answer_the_same_message_goes_again_under_the_same_number():
    answers = [lambda _: None, lambda message: message.create_ack()]
    with engine(lambda message: answers.pop(0)(message)) as (port, heard), sending(port) as sender:
        with pytest.raises(Transient):
            sender.send(message(port))
        sender.send(message(port))
    assert len(heard) == 2
    assert heard[0] == heard[1]


@pytest.mark.peer
def test_a_connection_that_was_closed_in_between_costs_no_message():
    with engine(lambda message: message.create_ack()) as (port, heard), sending(port) as sender:
        sender.send(message(port))
        sender._open.shutdown(socket.SHUT_WR)  # at which the engine hangs up
        assert sender._open.recv(1, socket.MSG_PEEK) == b""
        sender.send(message(port))
    assert len(heard) == 2


@contextlib.contextmanager
def speaking(*chunks, hold=False):
    """A peer that reads a message and says what it is told; it closes unless it is to hold."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    got = b""
                    while END not in got:
                        got += connection.recv(65536)
                    for chunk in chunks:
                        connection.sendall(chunk)
                    if hold:
                        done.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join(10)


def test_an_answer_in_pieces_with_noise_before_it_is_read():
    whole = b"noise" + VT + acknowledgement("AA") + END
    with speaking(*(whole[n : n + 7] for n in range(0, len(whole), 7))) as port, sending(port) as sender:
        sender.send(message(port))


@pytest.mark.parametrize("chunks", [(), (VT + b"MSH|",), (VT + b"x" * 100_000,)])
def test_an_answer_that_breaks_off_or_never_ends_leaves_the_outcome_unknown(chunks):
    with speaking(*chunks) as port, sending(port) as sender, pytest.raises(Transient) as caught:
        sender.send(message(port))
    assert caught.value.reason is Reason.DESTINATION_UNAVAILABLE


def test_no_answer_in_time_leaves_the_outcome_unknown():
    with (
        speaking(hold=True) as port,
        sending(port, timeout_s=0.2) as sender,
        pytest.raises(Transient, match="time-out"),
    ):
        sender.send(message(port))


def test_an_engine_that_is_down_is_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with sending(port) as sender, pytest.raises(Transient):
        sender.send(message(port))


@pytest.mark.peer
def test_over_tls_only_the_engine_of_our_authority_is_told_and_only_we_are_heard(tmp_path):
    authority = Authority(tmp_path, "hospital")
    server, client = authority.sign("engine"), authority.sign("ecgd")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    tls.load_cert_chain(server.certificate, server.key)
    tls.verify_mode = ssl.CERT_REQUIRED
    files = {"tls": True, "ca": authority.certificate, "certificate": client.certificate, "key": client.key}
    with engine(lambda message: message.create_ack(), ssl=tls) as (port, heard):
        with sending(port, **files) as sender:
            sender.send(message(port))
        assert len(heard) == 1
        for less in ({"tls": True}, {"tls": True, "ca": authority.certificate}):
            with sending(port, **less) as stranger, pytest.raises(Transient):
                stranger.send(message(port))
        assert len(heard) == 1


def test_a_certificate_that_cannot_be_read_stops_the_destination(tmp_path):
    with sending(1, tls=True, ca=tmp_path / "none") as sender, pytest.raises(Permanent):
        sender.send(message(1))
