"""What an aECG's annotation sets say: measurements over all leads and statements."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from adapters import codes, reports
from adapters.xml_tree import attribute, number, text
from domain.ecg import Measurements

_LISTS = ("derivation/derivedSeries/subjectOf/annotationSet", "subjectOf/annotationSet")  # of the average, of beats
_STATEMENTS = {
    "MDC_ECG_INTERPRETATION_STATEMENT", "MDC_ECG_INTERPRETATION_SUMMARY", "MDC_ECG_INTERPRETATION_COMMENT",
    "MDC_ECG_INTERPRETATION", "MDC_ECG_RHY",
}  # fmt: skip
_MOST = 20_000


def reported(series: Element) -> tuple[Measurements, bool]:
    """Take the averaged beat's measurements, else those over the series, else its first beat's."""
    return reports.reported(_measured(series))


def statements(series: Element) -> tuple[str, ...]:
    """Take interpretation and rhythm, as text or as what a code is displayed as."""
    found = (one for one in _annotations(series) if attribute(one, "code", "code").upper() in _STATEMENTS)
    return reports.statements(_said(one.find("value")) for one in found)


def _measured(series: Element) -> Iterator[tuple[str, float | None, str]]:
    for one in _annotations(series):
        name = codes.measurement(attribute(one, "code", "code"), "MDC")
        if name is not None:
            yield name, number(attribute(one, "value", "value")), attribute(one, "unit", "value")


def _annotations(series: Element) -> Iterator[Element]:
    """Annotations that are about no lead in particular, outer before inner, at most 20,000."""
    layer = [one for path in _LISTS for part in series.findall(path) for one in part.findall("component/annotation")]
    left = _MOST
    while layer and left > 0:
        layer = [one for one in layer[:left] if not _of_a_lead(one)]
        yield from layer
        left -= len(layer)
        layer = [inner for one in layer for inner in one.findall("component/annotation")]


def _of_a_lead(annotation: Element) -> bool:
    boundaries = annotation.iterfind("support/supportingROI/component/boundary")
    return any("_LEAD_" in attribute(one, "code", "code").upper() for one in boundaries)


def _said(value: Element | None) -> str:
    return text(value) or attribute(value, "displayName")
