"""Reading and scoring one file at a time, without a daemon."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from adapters import formats, paper
from config.schema import Settings
from domain.ecg import LEADS, Ecg
from domain.errors import Rejected
from domain.reason import Reason
from ecgd import facts
from ecgd.terminal import REFUSED, end


def ecgs(file: Path, settings: Settings) -> tuple[Ecg, ...]:
    """Every ECG of a file. Raises Rejected, also when there is none."""
    found = formats.read_file(file, settings.reading)
    if not found:
        raise Rejected(Reason.NO_ECG, "valid, and there is no ECG in it")
    return found


def chosen(file: Path, part: int, settings: Settings) -> tuple[Ecg, int]:
    """ECG ``part`` of a file, counted from 1, and how many it holds; without it the command ends with 3."""
    try:
        found = ecgs(file, settings)
    except Rejected as error:
        end(REFUSED, f"{file}: {error}")
    if part > len(found):
        end(REFUSED, f"{file}: holds {len(found)} ECG(s), not {part}")
    return found[part - 1], len(found)


def facts_of(ecg: Ecg) -> dict[str, Any]:
    """What ``ecgd read`` prints."""
    return facts.shown(ecg)


def write_npz(ecg: Ecg, path: Path) -> None:
    """``signal_mv`` float32 [12, n] in mV, ``rate_hz``, ``leads``."""
    with path.open("wb") as file:  # by handle: given a name, numpy would add a suffix of its own
        np.savez_compressed(file, signal_mv=ecg.signal, rate_hz=np.float64(ecg.rate_hz), leads=np.array(LEADS))


def write_png(ecg: Ecg, path: Path) -> None:
    """The standard picture."""
    path.write_bytes(paper.png(ecg.picture))


def scorer(settings: Settings) -> Callable[[Ecg], dict[str, Any]]:
    """Load the models once; the result scores one ECG."""
    from inference.scorer import Scorer

    resident = Scorer(settings.models)
    return lambda ecg: facts.shown_answers(resident.score(ecg))
