"""Pages as a scanner gives them: drawn, turned, coded."""

import cv2
import numpy as np
import pymupdf


def scanned(page: bytes, *, dpi: int = 200, degrees: float = 1.3, quality: int = 50, grey: bool = False) -> bytes:
    """The first page of a PDF as a JPEG, turned clockwise by ``degrees``."""
    with pymupdf.open(stream=page, filetype="pdf") as document:
        drawn = document[0].get_pixmap(dpi=dpi, alpha=False)
        pixels = np.frombuffer(drawn.samples, np.uint8).reshape(drawn.height, drawn.width, 3)[:, :, ::-1]
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    turned = cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))
    if grey:
        turned = cv2.cvtColor(turned, cv2.COLOR_BGR2GRAY)
    return bytes(cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


def as_page(picture: bytes, width_pt: float = 842.0, height_pt: float = 595.0) -> bytes:
    """A PDF whose one page is the picture."""
    with pymupdf.open() as document:
        page = document.new_page(width=width_pt, height=height_pt)
        page.insert_image(page.rect, stream=picture)
        return bytes(document.tobytes())
