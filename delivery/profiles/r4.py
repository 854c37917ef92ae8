"""R4 as its authors meant it: picture, measurements, estimates as Observation and RiskAssessment, models as Devices.

At most eight parts for two models (Patient, two Devices, picture, measurements, arrest, potassium and its risk):
Medplum takes no more in a transaction with conditional creates.
"""

from delivery.estimate import Answer, answered, device, model_of
from delivery.part import Context, Part
from delivery.study import measurements, picture
from delivery.subject import patient_to_create


def parts(context: Context) -> list[Part]:
    """Everything, each under an identifier of its own."""
    answers: tuple[Answer, ...] = (*context.finding.assessments, *context.finding.abstentions)
    models = {model.bundle_sha256: model for model in map(model_of, answers)}
    drawn = picture(context)
    made = [*patient(context), *map(device, models.values()), drawn, *measurements(context, drawn)]
    for answer in answers:
        made += answered(context, answer, drawn)
    return made


def patient(context: Context) -> list[Part]:
    """The Patient, where it is to be created."""
    made = patient_to_create(context.finding, context.settings)
    return [Part(resource=made[1], system=made[0][0], value=made[0][1])] if made else []
