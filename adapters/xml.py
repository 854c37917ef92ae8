"""An ECG in XML as recordings: HL7 aECG, GE MUSE, Philips Sierra, GE CardioSoft, told by the root element."""

from collections.abc import Callable
from dataclasses import replace
from xml.etree.ElementTree import Element

from adapters import xml_aecg, xml_cardiosoft, xml_muse, xml_sierra
from adapters.recording import Recording
from adapters.xml_tree import tree
from config.schema import Reading
from domain.ecg import Identifier, Patient, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

Dialect = Callable[[Element, Reading], tuple[Recording, ...]]

DIALECTS: dict[str, Dialect] = {
    "AnnotatedECG": xml_aecg.read,
    "RestingECG": xml_muse.read,
    "restingecgdata": xml_sierra.read,
    "CardiologyXML": xml_cardiosoft.read,
}


def read(payload: bytes, source: str, settings: Reading) -> tuple[Recording, ...]:
    """Read one XML document. Raises ``Rejected`` and nothing else, whatever the bytes."""
    root, guessed = tree(payload)
    dialect = DIALECTS.get(root.tag)
    if dialect is None:
        raise Rejected(Reason.UNSUPPORTED_OBJECT, "an XML document that is no ECG known here")
    found = dialect(root, settings)
    return tuple(_doubted(recording) for recording in found) if guessed else found


def _doubted(recording: Recording) -> Recording:
    """Some characters were not what the document declares: no identifier that holds one is believed."""
    patient = replace(recording.patient, identifiers=_legible(recording.patient))
    return replace(recording, patient=patient).warn(ReadWarning.CHARSET_ASSUMED)


def _legible(patient: Patient) -> tuple[Identifier, ...]:
    return tuple(one for one in patient.identifiers if "�" not in one.value + one.authority)
