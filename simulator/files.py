"""Files of synthetic ECGs, whatever their format: the simulator's writers in one place.

Every writer takes a signal in mV as ``float [12, n]`` in the order of ``domain.ecg.LEADS``, its rate and a patient,
and gives bytes; a WFDB record, two files that name one another, is written to a folder.
"""

from simulator.aecg import write_aecg
from simulator.dicom import GroupOptions, write_dicom, write_encapsulated_pdf
from simulator.oru import Envelope, write_oru_na, write_oru_pdf
from simulator.page import write_pdf
from simulator.scp import write_scp
from simulator.wfdb import write_wfdb

__all__ = [
    "Envelope",
    "GroupOptions",
    "write_aecg",
    "write_dicom",
    "write_encapsulated_pdf",
    "write_oru_na",
    "write_oru_pdf",
    "write_pdf",
    "write_scp",
    "write_wfdb",
]
