"""The errcode an API answers instead of its result."""

from typing import Any


class ApiError(Exception):
    """An errcode the platform would answer. `defaults` are result fields that stay present, empty (wecom-api §0)."""

    def __init__(self, errcode: int, errmsg: str, **defaults: Any) -> None:
        super().__init__(errmsg)
        self.errcode = errcode
        self.errmsg = errmsg
        self.defaults = defaults
