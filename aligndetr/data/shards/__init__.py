"""Shards: images in tar files, on disk or fetched from a URL when they are needed."""

from aligndetr.data.shards.member import Member, member_of, read_member
from aligndetr.data.shards.mirroring import is_url, mirror

__all__ = ["Member", "is_url", "member_of", "mirror", "read_member"]
