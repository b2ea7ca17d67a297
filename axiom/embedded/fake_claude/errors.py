"""What the API says when it says no."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger(__name__)
STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
    "timeout_error": 504,
}


class ApiError(Exception):
    """An answer that is an error, by its real type."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status or STATUS[kind]
        self.headers = headers or {}

    def body(self, request_id: str) -> dict[str, Any]:
        """The error as the API words it."""
        error = {"type": self.kind, "message": self.message}
        return {"type": "error", "error": error, "request_id": request_id}


def invalid(message: str) -> ApiError:
    """A request that is wrong."""
    return ApiError("invalid_request_error", message)


def as_api_error(error: Exception) -> ApiError:
    """Any error as the API would say it; one that nobody meant is logged."""
    if isinstance(error, ApiError):
        return error
    log.error("fake_claude failed", exc_info=error)
    return ApiError("api_error", f"fake_claude failed: {error!r}")
