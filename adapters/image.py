"""A page sent as a picture (PNG, JPEG): read off its pixels, always unidentified, for no writing on it is read."""

from hashlib import sha256

from adapters.pages.reading import RATE_HZ
from adapters.raster.reading import read_scan
from adapters.raster.scan import decoded
from adapters.recording import Recording
from config.schema import Reading
from domain.arrival import Format


def read(payload: bytes, source: str, settings: Reading) -> tuple[Recording, ...]:
    """Read the one ECG on a picture.

    Raises ``Rejected``: ``UNDECODABLE``, ``PAGE_NOT_UNDERSTOOD``, ``PAGE_NOT_CALIBRATED``, ``TOO_LARGE``.
    """
    found = read_scan(decoded(payload))
    recording = Recording(
        leads=found.page.leads,
        rate_hz=RATE_HZ,
        format=Format.IMAGE,
        instance=sha256(payload).hexdigest(),
        digitised=True,
        speed_mm_s=round(found.page.scale.speed_mm_s, 2),
        gain_mm_mv=round(found.page.scale.gain_mm_mv, 2),
        page=found.picture,
        warnings=found.page.scale.warnings,
    )
    return (recording,)
