"""Where a secret is: never in the YAML, read again at each use, so that it can be renewed while the service runs.

One rule for every ``secret_file``, ``password_file``, ``key_file`` and ``url_file``. It names one of

    /etc/ecgd/secrets/ehr               a file
    ${CREDENTIALS_DIRECTORY}/ehr        a credential that systemd hands to the unit (LoadCredential=, ImportCredential=)
    env:ECGD_EHR_SECRET                 a variable of the environment; its name begins with ECGD_
"""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, WithJsonSchema

CREDENTIALS = "CREDENTIALS_DIRECTORY"
_VARIABLE = re.compile(r"env:ECGD_[A-Z0-9_]{1,80}")
_OURS = f"${{{CREDENTIALS}}}/"


def _named(source: Path) -> Path:
    text = str(source)
    if text.startswith("env:") and not _VARIABLE.fullmatch(text):
        raise ValueError("names no variable of ours; write env:ECGD_ and capitals, digits and _")
    if "$" in text.removeprefix(_OURS) or ("$" in text and not text.startswith(_OURS)):
        raise ValueError(f"holds a variable that is not known here; only {_OURS}NAME or env:ECGD_NAME")
    if not text.startswith(("env:", _OURS)) and not source.is_absolute():
        raise ValueError(f"not where a secret is; write its file's whole path, {_OURS}NAME, or env:ECGD_NAME")
    return source


Secret = Annotated[Path, AfterValidator(_named), WithJsonSchema({"type": "string", "format": "secret"})]


def read_secret(source: Path) -> str:
    """Fetch the secret, without white space around it. Raises ``OSError`` (ENOENT: no such file or variable)."""
    text = str(source)
    if text.startswith("env:"):
        try:
            return os.environ[text.removeprefix("env:")].strip()
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such variable in the environment", text) from None
    return file_of(source).read_text(encoding="utf-8").strip()


def file_of(source: Path) -> Path:
    """The file that holds a secret; for one in the environment there is none. Raises ``OSError`` as ``read_secret``."""
    text = str(source)
    if not text.startswith(_OURS):
        return source
    folder = os.environ.get(CREDENTIALS)
    if folder is None:
        raise FileNotFoundError(errno.ENOENT, f"{CREDENTIALS} is not set: this is no unit of systemd's", text)
    return Path(folder, text.removeprefix(_OURS))


def secrets_of(settings: BaseModel, place: str = "") -> Iterator[tuple[str, Path]]:
    """Every secret that the configuration names, with the place where it does: fields whose names end in ``_file``."""
    for name in type(settings).model_fields:
        value, here = getattr(settings, name), f"{place}.{name}".removeprefix(".")
        if isinstance(value, Path) and name.endswith("_file"):
            yield here, value
        elif isinstance(value, BaseModel):
            yield from secrets_of(value, here)
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from secrets_of(item, f"{here}[{number}]")


def is_elsewhere(source: Path) -> bool:
    """Whether only the running unit can see it: one cannot tell from here whether it is there."""
    return str(source).startswith(_OURS) and CREDENTIALS not in os.environ
