"""The SDK's requests, messages and errors, in words of ours."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from axiom.analysts.question import Question
from axiom.errors import AxiomError, ConfigError, ServiceDown
from axiom.model import Json
from axiom.paid import Usage

SERVICE_RETRY_S, CREDIT_RETRY_S = 10.0, 300.0
LONGEST_RETRY_S = 600.0  # what a service asks for beyond it is an error of the service
Tokens = Annotated[int, Field(ge=0, le=10**8)]  # no answer uses more
NOT_MADE = frozenset((500, 503, 529))  # any other of 500 and up is a proxy's, which cannot know


@dataclass(frozen=True, slots=True)
class Message:
    """What was answered, and what it used."""

    id: str
    text: str
    stop_reason: str
    model: str
    usage: Usage
    geo: str | None  # where it was made, which may cost more


def make_request(question: Question) -> dict[str, Any]:
    """Return the arguments of `messages.create`; the system prompt is marked for the cache."""
    roles = ("assistant", "user")
    earlier = [{"role": roles[n % 2], "content": text} for n, text in enumerate(question.earlier)]
    output: dict[str, Json] = {"format": {"type": "json_schema", "schema": dict(question.schema)}}
    if question.effort:
        output["effort"] = question.effort
    mark = {"type": "ephemeral", "ttl": question.ttl}
    return {
        "model": question.model,
        "max_tokens": question.max_tokens,
        "system": [{"type": "text", "text": question.system, "cache_control": mark}],
        "messages": [{"role": "user", "content": question.material}, *earlier],
        "output_config": output,
    }


class Client:
    """The SDK's client: a question leaves by `post` alone, and no redirect is followed."""

    def __init__(
        self, key: str | None, base_url: str | None, *,
        timeout_s: float, connect_s: float, body_s: float,
    ) -> None:  # fmt: skip
        """`timeout_s` is for each read, `body_s` for the whole of a body."""
        import anthropic
        import httpx2

        self.sdk = anthropic.Anthropic(
            api_key=key,
            base_url=base_url,
            max_retries=0,  # ours are bounded, jittered and counted
            timeout=httpx2.Timeout(timeout_s, connect=connect_s),
            http_client=anthropic.DefaultHttpxClient(
                follow_redirects=False,  # the questions would go with it, and perhaps the key
                event_hooks={"request": [_before_it_leaves], "response": [_body_within(body_s)]},
            ),
        )

    def post(self, question: Question, leaving: Callable[[], None]) -> Any:
        """Put a question; return the response as it came.

        `leaving` is called when the request is made and before it is sent; making it takes a
        third of a millisecond. What it raises is raised here, and nothing was sent.

        By the SDK's `post`, its way to what it has no method for: `messages.create` looks through
        every argument for what it must rename, and makes an object of the answer, which takes
        0.3 ms, a fifth of a call to a service on this host, and checks nothing (`read_message`).

        Raises:
            anthropic.APIStatusError, anthropic.APIConnectionError: there is no answer.
            Exception: what interrupted it, as it is.
        """
        import anthropic
        import httpx2

        body = make_request(question)
        held = _leaving.set(leaving)
        try:
            return self.sdk.post("/v1/messages", cast_to=httpx2.Response, body=body)
        except anthropic.APIConnectionError as error:
            cause = error.__cause__
            if cause is None or isinstance(cause, httpx2.HTTPError):
                raise
        finally:
            _leaving.reset(held)
        raise cause  # the SDK takes any error for the line's, a time limit of ours too


def _by_nobody() -> None:
    raise RuntimeError("a question to Claude leaves by the gateway, or not at all")


_leaving: ContextVar[Callable[[], None]] = ContextVar("leaving", default=_by_nobody)


def _before_it_leaves(request: Any) -> None:
    if request.url.path.endswith("/messages"):
        _leaving.get()()


class _Wire(BaseModel):
    """A part of an answer, as it comes; what is not named here is not looked at."""

    model_config = ConfigDict(strict=True, from_attributes=True)


class _Block(_Wire):
    type: str
    text: Any = None  # of a block of another type: nobody reads it


class _Created(_Wire):
    ephemeral_1h_input_tokens: Tokens | None = None
    ephemeral_5m_input_tokens: Tokens | None = None


class _Details(_Wire):
    thinking_tokens: Tokens | None = None


class _Used(_Wire):
    input_tokens: Tokens
    output_tokens: Tokens
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: _Created | None = None
    output_tokens_details: _Details | None = None
    inference_geo: Any = None


class _Answered(_Wire):
    id: str
    content: list[_Block]
    stop_reason: str | None = None
    model: str
    usage: _Used


def read_message(message: Any) -> Message:
    """Return what a message says: the body of an answer, or an object of the SDK.

    What is missing, or no number where one is to be, is an error here; to the SDK it is not.

    Raises:
        ValueError: it is no message.
    """
    if isinstance(message, bytes):
        read = _Answered.model_validate_json(message)
    else:
        read = _Answered.model_validate(message)
    texts = [block.text for block in read.content if block.type == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a text is none")
    stop_reason = read.stop_reason or "none"
    geo = read.usage.inference_geo
    return Message(
        read.id, "".join(texts), stop_reason, read.model, _usage(read.usage),
        None if geo is None else str(geo),
    )  # fmt: skip


def unreadable(error: ValueError) -> str:
    """Say in a few words why an answer cannot be read: where, and never what stood there."""
    if not isinstance(error, ValidationError):
        return f"unreadable: {type(error).__name__}"
    first = error.errors(include_url=False, include_input=False)[0]
    return f"unreadable: {'.'.join(map(str, first['loc'])) or 'body'}: {first['type']}"


def _usage(used: _Used) -> Usage:
    created, details = used.cache_creation or _Created(), used.output_tokens_details
    long, short = created.ephemeral_1h_input_tokens or 0, created.ephemeral_5m_input_tokens or 0
    whole = max(used.cache_creation_input_tokens or 0, long + short)  # the dearer of two stories
    return Usage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        thinking_tokens=(details.thinking_tokens or 0) if details else 0,
        cache_write_5m=whole - long,
        cache_write_1h=long,
        cache_read=used.cache_read_input_tokens or 0,
    )


# --- time ---


def _body_within(limit_s: float) -> Callable[[Any], None]:
    """Return a hook that ends a message whose body does not come in time.

    The client's own time-out is for each read: a body that trickles would go on for ever. An
    answer that is not streamed comes in one piece.
    """
    import httpx2

    class Timed(httpx2.SyncByteStream):
        def __init__(self, stream: Any, request: Any) -> None:
            self._stream, self._request = stream, request

        def __iter__(self) -> Iterator[bytes]:
            ends = time.monotonic() + limit_s
            self._request.extensions["timeout"]["read"] = limit_s
            for part in self._stream:
                yield part
                if time.monotonic() > ends:
                    raise httpx2.ReadTimeout("the answer trickles", request=self._request)

        def close(self) -> None:
            self._stream.close()

    def limit(response: Any) -> None:
        if response.request.url.path.endswith("/messages"):  # a batch's results may take longer
            response.stream = Timed(response.stream, response.request)

    return limit


# --- errors ---


def is_service_failure(error: BaseException) -> bool:
    """Return whether the service failed, rather than refused; an error of ours is neither."""
    import anthropic

    if not isinstance(error, anthropic.AnthropicError):
        return False
    status = getattr(error, "status_code", None)
    return status is None or status >= 500 or status == 408


def is_worth_it(error: BaseException) -> bool:
    """Return whether the same question may well be answered a little later."""
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        return is_service_failure(error) or error.status_code in (409, 429)
    return isinstance(error, anthropic.APIConnectionError)


def may_be_paid(error: BaseException) -> bool:
    """Return whether the answer may have been made, although it never came."""
    import httpx2

    status = getattr(error, "status_code", None)
    if status is not None:
        return status >= 500 and status not in NOT_MADE
    return not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)


def lacks_credit(error: BaseException) -> bool:
    """Return whether Anthropic is to be paid before it answers anything."""
    status = getattr(error, "status_code", None)
    return status == 402 or (status == 400 and "credit balance" in str(error))


def retry_after_s(error: BaseException) -> float | None:
    """Return the seconds that the service asked for, as far as they make sense."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        asked_s = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return min(asked_s, LONGEST_RETRY_S) if math.isfinite(asked_s) and asked_s >= 0 else None


def translated(error: Exception) -> Exception:
    """Return an error of the SDK in words of ours; any other as it is."""
    import anthropic

    if not isinstance(error, anthropic.AnthropicError):
        return error
    if isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError):
        return ConfigError("ANTHROPIC_API_KEY", "Anthropic does not accept this key")
    if lacks_credit(error):
        return ServiceDown("Anthropic says that its credit is used up", CREDIT_RETRY_S)
    if is_worth_it(error):
        wait_s = retry_after_s(error) or SERVICE_RETRY_S
        return ServiceDown(f"Claude does not answer ({kind(error)})", wait_s)
    return AxiomError(f"Claude refused the request ({kind(error)}): {str(error)[:300]}")


def kind(error: BaseException) -> str:
    """Name an error of the SDK in a word or two."""
    status = getattr(error, "status_code", None)
    return f"status {status}" if status else type(error).__name__
