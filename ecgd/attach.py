"""``ecgd attach``: a person says whose an unidentified ECG is."""

import getpass
from typing import Annotated

import typer

from ecgd.terminal import DEFAULT, WANTING, Config, end, opened, settings_of


def command(
    arrival: Annotated[int, typer.Argument(help="The arrival's number; `ecgd status` lists the unidentified ones.")],
    patient: Annotated[str, typer.Option(help="The patient's record number.")],
    authority: Annotated[str, typer.Option(help="Who assigned it, as in destinations[].patient.systems.")] = "",
    part: Annotated[int, typer.Option(min=0, help="Which ECG of an arrival that holds several.")] = 0,
    by: Annotated[str, typer.Option(help="Who says so; by default who is logged in.")] = "",
    config: Config = DEFAULT,
) -> None:
    """Say whose an ECG is that came without a patient; its result is sent anew and the old one marked."""
    from domain.ecg import Identifier
    from domain.seen import Attachment
    from ecgd.app import now
    from ecgd.whose import attached

    settings = settings_of(config)
    whose = Identifier(value=patient.strip(), authority=authority.strip(), type="MR")
    made = Attachment(arrival_id=arrival, part=part, identifiers=(whose,), by=by or getpass.getuser())
    with opened(settings) as database:
        why_not = attached(database, settings, made, now)
    if why_not:
        end(WANTING, why_not)
    print(f"arrival {arrival}: attached by {made.by}; its ECG is read and scored again under the patient")
