"""The section on layers: which queries each layer matched with the objects of some images."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence

from aligndetr.data.records import Record
from aligndetr.explanation import Inspection
from aligndetr.explanation.inspection_page import inspection_page
from aligndetr.report.album import Album
from aligndetr.report.elements import Section, note
from aligndetr.report.reported_run import ReportedRun
from aligndetr.visualization.html_page import element

MOST_IMAGES, ROOM = 6, 2_000_000

logger = logging.getLogger(__name__)


def layers_section(
    run: ReportedRun,
    records: Sequence[Record],
    album: Album,
    inspect: Callable[[Record], Inspection],
) -> Section | None:
    """Matches of the first images of the album; None, and a note, if there are none.

    Args:
        run: whose images these are; its notes say what fails.
        records: of all its images.
        album: with the images that the page shows.
        inspect: looks into the model while that looks at a record's image.
    """
    pages: dict[int, str] = {}
    for place in album.images:
        record = records[place]
        try:
            inspection = without_sampling(inspect(record))
        except Exception as error:  # a model of the user's may be built of anything
            logger.debug("no matches of layers", exc_info=True)
            run.notes.append(f"No matches of the layers: {type(error).__name__}: {error}")
            break
        pages[place] = inspection_page(inspection, f"image {record['image_id']}")
        if len(pages) == MOST_IMAGES or sum(map(len, pages.values())) > ROOM:
            break
    if not pages:
        return None
    entries = album.content()
    options = [element("option", entries[place]["file"], value=str(place)) for place in pages]
    body = [
        note("Which query answers for which object, layer by layer, as the matcher decides it."),
        element("label", "image ", element("select", *options, id="layers-image"), class_="bar"),
        element("iframe", title="matches of the layers", id="layers-view"),
    ]
    return Section("layers", "Layers", body, {"layers": pages})


def without_sampling(inspection: Inspection) -> Inspection:
    """Without sampling points, which are most of what an inspection holds."""
    layers = [dataclasses.replace(layer, sampling=None) for layer in inspection.layers]
    return dataclasses.replace(inspection, layers=layers)
