"""The Message Batches API, in the few words that are needed of it.

Its failures are told as what they mean: nothing was made, never or not now; it is not known
whether something was made; or the service cannot be read at this moment (`ServiceDown`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from axiom.analysts.sdk import lacks_credit, may_be_paid, retry_after_s, translated
from axiom.errors import ServiceDown

PAGE = 100
# what may go well another time; of anything else the question itself is the cause
NOT_THE_QUESTIONS = frozenset((401, 403, 404, 408, 409))  # the key's, the address's, the moment's
UNREADABLE = "unreadable"
PASSING = frozenset(("api_error", "overloaded_error", "rate_limit_error", "timeout_error"))


@dataclass(frozen=True, slots=True)
class Created:
    """The batch is under way."""

    batch_id: str


@dataclass(frozen=True, slots=True)
class NotCreated:
    """There is no batch. `is_wrong`: nor would there be one of the same questions again."""

    reason: str
    is_wrong: bool = False
    is_down: bool = False
    is_told: bool = False  # to who asks: somebody must do something about it
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unsure:
    """There may be a batch."""

    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A batch as the API shows it."""

    id: str
    created_at: datetime
    has_ended: bool
    size: int
    is_archived: bool = False  # its results are gone


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one question. `kind`: succeeded, errored, expired, canceled, unreadable."""

    custom_id: str
    kind: str
    message: Any = None
    error: str = ""
    is_wrong: bool = False  # the question is; asking again would not help


class BatchApi:
    """Batches by the SDK's client, which is made when it is first needed."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client

    @property
    def _batches(self) -> Any:
        return self._client().messages.batches

    def create(self, requests: Sequence[Mapping[str, Any]]) -> Created | NotCreated | Unsure:
        """Hand a batch in."""
        import anthropic

        try:
            return Created(self._batches.create(requests=list(requests)).id)
        except anthropic.RateLimitError as error:
            return NotCreated(_said(error), retry_in_s=retry_after_s(error))
        except anthropic.APIStatusError as error:
            if error.status_code >= 500:  # an error that was said after it was made looks the same
                return Unsure(_said(error))
            reason = str(translated(error))
            if error.status_code in NOT_THE_QUESTIONS or lacks_credit(error):
                return NotCreated(reason, retry_in_s=retry_after_s(error), is_told=True)
            return NotCreated(reason, is_wrong=True)
        except anthropic.APIConnectionError as error:
            if may_be_paid(error):
                return Unsure(_said(error))
            return NotCreated(_said(error), is_down=True)
        except anthropic.AnthropicError as error:
            return Unsure(_said(error))

    def get(self, batch_id: str) -> Listed | None:
        """Return a batch; None where the API knows none of that name.

        Raises:
            ServiceDown: it cannot be read now.
        """
        import anthropic

        with _read():
            try:
                return _listed(self._batches.retrieve(batch_id))
            except anthropic.NotFoundError:
                self._batches.list(limit=1)  # of a wrong address nothing is found: it is not gone
                return None

    def since(self, moment: datetime) -> list[Listed]:
        """Return the batches that were made since.

        Raises:
            ServiceDown: they cannot be read now.
        """
        found: list[Listed] = []
        with _read():
            for batch in self._batches.list(limit=PAGE):  # the newest first
                each = _listed(batch)
                if each.created_at < moment:
                    break
                found.append(each)
        return found

    def results(self, batch_id: str) -> Iterator[Result]:
        """Return the results of a batch that has ended, in no order.

        Raises:
            ServiceDown: they cannot be read, or not to their end.
        """
        with _read():
            lines = iter(self._batches.results(batch_id))
        while True:
            with _read():
                line = next(lines, None)
            if line is None:
                return
            yield _result(line)  # out of the block: what its reader raises is the reader's


@contextmanager
def _read() -> Iterator[None]:
    import anthropic
    import httpx2

    try:
        yield
    # of a body that is cut off, the SDK lets the client's and the parser's errors through
    except (anthropic.AnthropicError, httpx2.HTTPError, ValueError, AttributeError) as error:
        raise ServiceDown(f"batches cannot be read: {_said(error)}") from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"


def _listed(batch: Any) -> Listed:
    counts = batch.request_counts
    parts = ("processing", "succeeded", "errored", "canceled", "expired")
    return Listed(
        batch.id,
        batch.created_at,
        batch.processing_status == "ended",
        sum(getattr(counts, part) for part in parts),
        batch.archived_at is not None,
    )


def _result(line: Any) -> Result:
    name = str(getattr(line, "custom_id", ""))
    try:
        return _told(name, line.result)
    except (AttributeError, TypeError) as error:  # of an odd shape: it holds up no other
        return Result(name, UNREADABLE, error=type(error).__name__)


def _told(name: str, result: Any) -> Result:
    if result.type == "succeeded":
        return Result(name, "succeeded", result.message)
    if result.type == "errored":
        error = result.error.error
        return Result(
            name, "errored", error=f"{error.type}: {error.message[:300]}",
            is_wrong=error.type not in PASSING,
        )  # fmt: skip
    return Result(name, result.type)
