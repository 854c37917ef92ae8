"""Who hears of a critical finding."""

from pathlib import Path
from typing import Self

from pydantic import Field, HttpUrl, model_validator

from config.base import Name, Port, Strict


class Webhook(Strict):
    """An alert as JSON by POST, signed (``X-Ecgd-Signature: sha256=...``) when ``secret_file`` is set."""

    name: Name
    url: HttpUrl
    secret_file: Path | None = None
    timeout_s: float = Field(10, gt=0, le=60)


class Smtp(Strict):
    """An alert by mail; minimum content, no names."""

    name: Name
    host: str
    port: Port = 25
    starttls: bool = False
    username: str | None = None
    secret_file: Path | None = None
    sender: str
    recipients: tuple[str, ...] = Field(min_length=1)
    timeout_s: float = Field(20, gt=0, le=120)


class Alerts(Strict):
    """Who hears of a critical finding. An alert older than ``expire_s`` misleads and is buried, loudly."""

    webhooks: tuple[Webhook, ...] = ()
    smtp: tuple[Smtp, ...] = ()
    expire_s: float = Field(4 * 3600, gt=0)

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [webhook.name for webhook in self.webhooks] + [mail.name for mail in self.smtp]
        if len(set(names)) != len(names):
            raise ValueError("channel names must differ")
        return self
