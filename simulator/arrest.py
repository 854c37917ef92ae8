"""Signs before cardiac arrest, as graded and overlapping effects of one latent risk.

Which signs: Lu 2025 (EIANet) find tachycardia, ST segment changes, also where there is bundle branch block, under their
heat maps of ECGs before arrest in the emergency department, so these two weigh most here, ST first; Kwon 2020 (Scand J
Trauma Resusc Emerg Med 28:98) show that a network reads the risk of arrest off 12 leads. That wide QRS, low voltage,
ventricular ectopy, fibrillation, a long QT and signs of high potassium go with mortality is textbook knowledge; their
weights here are assumptions.

How they overlap: a patient has a risk, standard normal; whether the heart stops is drawn from a logistic of it
(``Plan.arrest``). Each sign has a liability of its own, a * risk + sqrt(1 - a^2) * luck, with the loadings a below
(a one-factor model), and shows by how far it passes a threshold, on top of whatever the heart had: old blocks,
fibrillation, ST shifts and fast rates occur without any risk. So each patient shows a few signs, controls too. With
the defaults the risk itself separates the arrests with an AUROC near 0.97, the liabilities taken together (which no
ECG shows whole) near 0.93, and boosted trees that see all that is drawn from them near 0.86: what a perfect reader of
such ECGs could reach. ST shifts by 0.25 mV for each standard deviation of its liability above 0.3: half of those whose
heart stops have 0.1 mV or more, where the universal definition of infarction (Thygesen 2018, Circulation 138:e618)
begins to count, one in twenty 0.44 mV, and one control in eight 0.1 mV. tests/simulator/test_arrest.py measures it.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from simulator.effects import Effects, of_potassium
from simulator.parameters import Heart, Territory
from simulator.person import TERRITORIES

LOADINGS: Mapping[str, float] = {
    "tachycardia": 0.74,
    "st_shift": 0.88,
    "wide_qrs": 0.68,
    "low_voltage": 0.62,
    "ectopy": 0.68,
    "long_qt": 0.70,
    "low_t": 0.72,
    "fibrillation": 0.45,
    "potassium": 0.50,
}
_SAME_PERSON = 0.97  # correlation of a patient's risk from one ECG to the next
_HIGHEST = 0.95


def liabilities(risk: float, loading: float, chance: np.random.Generator) -> dict[str, float]:
    """How near each sign is to showing, standard normal over a population."""
    now = _SAME_PERSON * risk + float(np.sqrt(1 - _SAME_PERSON**2) * chance.standard_normal())
    luck = chance.standard_normal(len(LOADINGS))
    found = {}
    for (name, usual), own in zip(LOADINGS.items(), luck, strict=True):
        share = min(_HIGHEST, usual * loading)
        found[name] = share * now + float(np.sqrt(1 - share**2) * own)
    return found


def evidence(signs: Mapping[str, float], loading: float = 1.0) -> float:
    """The sufficient statistic for the risk in the one-factor model: what a reader of the liabilities would use."""
    shares = {name: min(_HIGHEST, usual * loading) for name, usual in LOADINGS.items()}
    return sum(shares[name] / (1 - shares[name] ** 2) * liability for name, liability in signs.items())


def signed(heart: Heart, signs: Mapping[str, float], chance: np.random.Generator) -> Heart:
    """The heart with its signs; what it had before stays where it is worse."""
    over = {name: max(0.0, liability) for name, liability in signs.items()}
    territory: Territory = TERRITORIES[int(chance.choice(4, p=(0.25, 0.2, 0.1, 0.45)))]
    st_mv = 0.25 * max(0.0, signs["st_shift"] - 0.3) + 0.01 * float(chance.standard_normal())
    worse = st_mv > heart.st_mv
    ectopic = 0.08 * max(0.0, signs["ectopy"] - 0.5)
    fast = float(np.clip(heart.rate_bpm + 12 * signs["tachycardia"] + 6 * over["tachycardia"], 32, 190))
    return replace(
        _conducted(heart, signs["wide_qrs"], chance),
        rate_bpm=fast if heart.pacing == "none" else heart.rate_bpm,
        st_mv=st_mv if worse else heart.st_mv,
        territory=territory if worse else heart.territory,
        amplitude=heart.amplitude * float(np.exp(-0.28 * over["low_voltage"])),
        ectopic=min(0.4, heart.ectopic + ectopic),
        qtc_ms=heart.qtc_ms + 18 * signs["long_qt"] + 8 * over["long_qt"],
        t_amplitude=heart.t_amplitude * max(-0.6, 1 - 0.25 * signs["low_t"] - 0.15 * over["low_t"]),
        fibrillation=heart.fibrillation or signs["fibrillation"] > 1.6,
        effects=_dyskalemic(signs["potassium"], chance),
    )


def _conducted(heart: Heart, liability: float, chance: np.random.Generator) -> Heart:
    """QRS wider, and blocked beyond a threshold."""
    if heart.conduction != "normal" or heart.pacing == "ventricular":
        return replace(heart, qrs_ms=heart.qrs_ms + 5 * max(0.0, liability))
    if liability < 1.2:
        return replace(heart, qrs_ms=heart.qrs_ms + 8 * max(0.0, liability))
    wide = float(chance.uniform(122, 150)) + 8 * (liability - 1.2)
    return replace(heart, qrs_ms=wide, conduction="rbbb" if chance.uniform() < 0.55 else "lbbb")


def _dyskalemic(liability: float, chance: np.random.Generator) -> Effects:
    """Kidneys that fail raise potassium in some."""
    if liability < 1.4:
        return Effects()
    return of_potassium(float(np.clip(5.2 + 2 * (liability - 1.4) + 0.5 * chance.standard_normal(), 4.5, 9)), 1.0)
