"""Small ECGs in vendors' XML, made here: for what the real files do not show."""

import base64
import re
import zlib

import numpy as np

NUMBER = re.compile(r"""(?<=[>"' ])-?[0-9.]+(?=[<"' ])""")
LEADS8 = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def counts(leads=12, samples=600, seed=1):
    """Smooth 16-bit counts ``[leads, samples]``."""
    steps = np.random.default_rng(seed).integers(-9, 10, (leads, samples))
    return np.cumsum(steps - np.sign(np.cumsum(steps, axis=1)) // 2, axis=1)


def muse_lead(name, row, **change):
    data = row.astype("<i2").tobytes()
    fields = {
        "LeadByteCountTotal": len(data), "LeadTimeOffset": 0, "LeadSampleCountTotal": len(row),
        "LeadAmplitudeUnitsPerBit": 4.88, "LeadAmplitudeUnits": "MICROVOLTS", "LeadID": name, "LeadSampleSize": 2,
        "LeadOff": "FALSE", "LeadDataCRC32": zlib.crc32(data), "WaveFormData": base64.b64encode(data).decode(),
    } | change  # fmt: skip
    return "<LeadData>" + "".join(f"<{tag}>{value}</{tag}>" for tag, value in fields.items()) + "</LeadData>"


def muse(*leads, kind="Rhythm", rate=250, more="") -> bytes:
    base = f"<SampleBase>{rate}</SampleBase><SampleExponent>0</SampleExponent>"
    wave = f"<Waveform><WaveformType>{kind}</WaveformType>{base}{''.join(leads)}</Waveform>"
    return f"<?xml version='1.0'?><RestingECG>{more}{wave}</RestingECG>".encode()


def muse_of(rows=None, **more) -> bytes:
    rows = counts(8) if rows is None else rows
    return muse(*(muse_lead(name, row) for name, row in zip(LEADS8, rows, strict=True)), **more)


def xli(rows) -> bytes:
    """XLI chunks of these rows: every byte a code of its own, which is valid LZW."""
    return b"".join(_chunk(row) for row in rows)


def _chunk(row) -> bytes:
    bends = 2 * row[1:-1] - row[:-2] - row[2:]
    deltas = np.concatenate((row[:2], bends[1:] + 64, [64])).astype(">i2")
    octets = np.frombuffer(deltas.tobytes(), np.uint8).reshape(-1, 2).T.ravel()
    bits = "".join(f"{octet:010b}" for octet in octets) + "1" * 10
    data = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return len(data).to_bytes(4, "little") + b"\0\0" + int(bends[0]).to_bytes(2, "little", signed=True) + data


def sierra(rows, content, names="I II III aVR aVL aVF V1 V2 V3 V4 V5 V6", rate=500, more="", **attributes) -> bytes:
    said = {
        "dataencoding": "Base64", "compression": "XLI", "numberofleads": len(rows), "leadlabels": names,
        "durationperchannel": len(rows[0]) * 1000 // rate, "samplespersecond": rate, "resolution": "5",
        "signaloffset": "0",
    } | attributes  # fmt: skip
    words = " ".join(f'{name}="{value}"' for name, value in said.items())
    waves = f"<waveforms><parsedwaveforms {words}>{content}</parsedwaveforms></waveforms>"
    return f"<?xml version='1.0'?><restingecgdata>{more}{waves}</restingecgdata>".encode()


def sierra_of(rows=None, **more) -> bytes:
    rows = counts() if rows is None else rows
    return sierra(rows, base64.b64encode(xli(rows)).decode(), **more)


CARDIOSOFT = """<?xml version="1.0" encoding="ISO8859-1"?>
<CardiologyXML>
 <ObservationType>RestECG</ObservationType>
 <ObservationDateTime><Hour>9</Hour><Minute>5</Minute><Second>7</Second><Day>3</Day><Month>2</Month><Year>2024</Year>
 </ObservationDateTime>
 <UID><DICOMStudyUID>1.2.840.1</DICOMStudyUID></UID>
 <ClinicalInfo><DeviceInfo><Desc>CardioSoft</Desc><SoftwareVer>V6.73</SoftwareVer></DeviceInfo></ClinicalInfo>
 <PatientVisit><AssignedPatientLocation><LocationName>ED</LocationName></AssignedPatientLocation>
  <OrderNumber>77</OrderNumber></PatientVisit>
 <PatientInfo><PID>4711</PID><Name><FamilyName>M\xfcller</FamilyName><GivenName>Eva</GivenName></Name>
  <BirthDateTime><Day>9</Day><Month>1</Month><Year>1950</Year></BirthDateTime><Gender>FEMALE</Gender></PatientInfo>
 <Interpretation><Diagnosis><DiagnosisText>Sinusrhythmus</DiagnosisText><DiagnosisText> </DiagnosisText></Diagnosis>
  <Conclusion><ConclusionText>Normal</ConclusionText></Conclusion></Interpretation>
 <RestingECGMeasurements>
  <VentricularRate units="BPM">61</VentricularRate><PQInterval units="ms">160</PQInterval>
  <PDuration units="ms">110</PDuration><QRSDuration units="ms">92</QRSDuration><QTInterval units="ms">400</QTInterval>
  <QTCInterval units="ms">404</QTCInterval><RRInterval units="ms">980</RRInterval><PAxis units="Degree">50</PAxis>
  <RAxis units="Degree">-20</RAxis><TAxis units="Degree"></TAxis>
  <MedianSamples>{median}</MedianSamples>
 </RestingECGMeasurements>
 {strip}
</CardiologyXML>"""


def cardiosoft_block(rows, rate=500, names=None, resolution=5, units="uVperLsb"):
    names = names or ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")[: len(rows)]
    waves = "".join(
        f'<WaveformData lead="{name}">\n\t' + ",".join(map(str, row)) + "</WaveformData>"
        for name, row in zip(names, rows, strict=True)
    )
    head = (
        f'<SampleRate units="Hz">{rate}</SampleRate><ChannelSampleCountTotal>{len(rows[0])}</ChannelSampleCountTotal>'
    )
    return (
        f'<NumberOfLeads>{len(rows)}</NumberOfLeads>{head}<Resolution units="{units}">{resolution}</Resolution>{waves}'
    )


def cardiosoft(rows=None, median=None, **more) -> bytes:
    strip = "" if rows is None else f"<StripData>{cardiosoft_block(rows, **more)}</StripData>"
    beat = "" if median is None else cardiosoft_block(median, **more)
    return CARDIOSOFT.format(strip=strip, median=beat).encode("latin-1")
