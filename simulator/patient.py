"""People who do not exist."""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from domain.ecg import Sex

_FAMILY = ("Abel", "Brandt", "Castillo", "Dubois", "Eriksen", "Fonseca", "Grünwald", "Haddad", "Ivanova", "Jensen")
_GIVEN = {
    Sex.FEMALE: ("Ada", "Berta", "Carla", "Dora", "Elif", "Fatima"),
    Sex.MALE: ("Anton", "Bruno", "Cem", "David", "Emil", "Farid"),
}
_OLDEST = date(1930, 1, 1)
_YOUNGEST = date(2005, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticPatient:
    """A made-up person as an ECG cart would know them; ``authority`` assigned ``id`` and ``visit``."""

    id: str
    family: str
    given: str
    birth_date: date
    sex: Sex
    authority: str = "SIM"
    visit: str = ""
    location: str = "ED"

    @classmethod
    def seeded(cls, seed: int) -> Self:
        """The same person for the same seed; different seeds have different ``id`` and ``visit``."""
        chance = random.Random(seed)
        sex = chance.choice((Sex.FEMALE, Sex.MALE))
        return cls(
            id=f"SIM{seed:07d}",
            family=chance.choice(_FAMILY),
            given=chance.choice(_GIVEN[sex]),
            birth_date=_OLDEST + timedelta(days=chance.randrange((_YOUNGEST - _OLDEST).days)),
            sex=sex,
            visit=f"V{seed:07d}",
        )
