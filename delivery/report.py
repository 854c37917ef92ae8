"""The result as a PDF of A4 pages: what was found in words, the ECG, and where each model looked."""

import io
import textwrap
from collections.abc import Sequence

from delivery import narrative
from domain.ecg import Picture
from domain.finding import Finding

_A4 = (11.69, 8.27)  # inches, landscape
_COLUMNS = 118
_LINE = 0.023  # of the page's height


def pdf(finding: Finding, warned: Sequence[str] = ()) -> bytes:
    """Draw it; the same bytes for the same finding. No name and no number of the patient's: the record has them."""
    from matplotlib.backends.backend_pdf import PdfPages  # 0.5 s to import, for who needs it

    out = io.BytesIO()
    about = {"Creator": "ecgd", "Producer": "ecgd", "CreationDate": finding.decided_at, "Title": "12-lead ECG"}
    lines = (*warned, *narrative.whole(finding), f"ECG {finding.key}.")
    with PdfPages(out, metadata=about) as pages:
        pages.savefig(_page("12-lead ECG with estimates by models", lines, finding.ecg.picture))
        for one in finding.assessments:
            if one.drawing is not None:
                pages.savefig(_page(narrative.looked(one.score), (narrative.verdict(one),), one.drawing))
    return out.getvalue()


def _page(title: str, lines: Sequence[str], shown: Picture) -> "Figure":  # type: ignore[name-defined]  # noqa: F821
    from matplotlib.figure import Figure

    page = Figure(figsize=_A4)
    page.text(0.04, 0.955, title, fontsize=14, fontweight="bold", color="#b00000" if "STAND-IN" in title else "black")
    top = 0.93
    for line in lines:
        grave = line.startswith(("STAND-IN", "PATIENT NOT"))
        for row in textwrap.wrap(line, _COLUMNS) or [""]:
            top -= _LINE
            color, weight = ("#b00000", "bold") if grave else ("black", "normal")
            page.text(0.04, top, row, fontsize=9, color=color, fontweight=weight)
        top -= 0.006
    axes = page.add_axes((0.04, 0.03, 0.92, max(0.2, top - 0.05)))
    axes.imshow(shown, interpolation="none")
    axes.set_axis_off()
    return page
