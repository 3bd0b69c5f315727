"""Forms that a dataset may have on disk: one file a form, all read as the same lists."""

from aligndetr.data.formats.reading import Reading
from aligndetr.data.formats.recognition import FORMATS, read, recognise, sources_at
from aligndetr.data.formats.source import Source

__all__ = ["FORMATS", "Reading", "Source", "read", "recognise", "sources_at"]
