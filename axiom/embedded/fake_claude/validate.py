"""What a request must look like. The errors read as the API words them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from axiom.embedded.fake_claude.errors import ApiError, invalid
from axiom.embedded.fake_claude.schema import check_schema
from axiom.embedded.fake_claude.tokens import Ttl

MAX_MARKS = 4
# the API knows these; the imitation does not, and says so instead of guessing
NOT_IMITATED = frozenset(
    ("tools", "tool_choice", "container", "diagnostics", "mcp_servers", "context_management")
)
_Model = TypeVar("_Model", bound=BaseModel)
Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _CacheControl(_Part):
    type: Literal["ephemeral"]
    ttl: Ttl = "5m"


class _TextBlock(_Part):
    type: Literal["text"]
    text: Text
    cache_control: _CacheControl | None = None
    citations: None = None


class _Message(_Part):
    role: Literal["user", "assistant", "system"]
    content: Text | Annotated[list[_TextBlock], Field(min_length=1)]


class _Format(_Part):
    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class _OutputConfig(_Part):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


class _Thinking(_Part):
    type: Literal["adaptive", "disabled", "enabled", "between_tools"]
    budget_tokens: Annotated[int, Field(ge=1024)] | None = None
    display: Literal["summarized", "omitted"] | None = None


class _Metadata(_Part):
    user_id: str | None = None


class _CountTokens(_Part):
    model: str
    messages: Annotated[list[_Message], Field(min_length=1, max_length=100_000)]
    system: str | list[_TextBlock] | None = None
    output_config: _OutputConfig | None = None
    thinking: _Thinking | None = None
    cache_control: _CacheControl | None = None
    speed: Literal["standard"] | None = None


class _CreateMessage(_CountTokens):
    max_tokens: Annotated[int, Field(gt=0)]
    stream: bool = False
    stop_sequences: list[Text] = []
    metadata: _Metadata | None = None
    service_tier: Literal["auto", "standard_only"] = "auto"
    inference_geo: Literal["global", "us"] | None = None


class _BatchRequest(_Part):
    custom_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    params: dict[str, Any]


class _CreateBatch(_Part):
    requests: Annotated[list[_BatchRequest], Field(min_length=1, max_length=100_000)]


def check_message(body: Any, models: frozenset[str], *, strict_schema: bool) -> None:
    """Refuse what is no request for a message."""
    request = _parsed(_CreateMessage, body)
    _check_prompt(request, models, strict_schema=strict_schema)
    if request.stream:
        raise invalid("stream: true is not imitated by fake_claude; leave it out")
    thinking = request.thinking
    if thinking and (thinking.budget_tokens or 0) >= request.max_tokens:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")


def check_count(body: Any, models: frozenset[str], *, strict_schema: bool) -> None:
    """Refuse what is no request to count tokens."""
    _check_prompt(_parsed(_CountTokens, body), models, strict_schema=strict_schema)


def check_batch(body: Any) -> None:
    """Refuse what is no batch; its items are checked when their turn comes."""
    seen = set[str]()
    for item in _parsed(_CreateBatch, body).requests:
        if item.custom_id in seen:
            raise invalid(f"requests: duplicate custom_id found: {item.custom_id}")
        seen.add(item.custom_id)


def _parsed(model: type[_Model], body: Any) -> _Model:
    for name in sorted(NOT_IMITATED & body.keys() if isinstance(body, dict) else ()):
        raise invalid(f"{name}: known to the API, but not imitated by fake_claude")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        # of a union's members, the one that went deepest is the one that was meant
        found = max(error.errors(include_url=False), key=lambda e: len(e["loc"]))
        # and the API does not say the members' names
        place = ".".join(str(p) for p in found["loc"] if "[" not in str(p) and p != "str")
        raise invalid(f"{place}: {found['msg']}" if place else found["msg"]) from None


def _check_prompt(request: _CountTokens, models: frozenset[str], *, strict_schema: bool) -> None:
    if request.model not in models:
        raise ApiError("not_found_error", f"model: {request.model}")
    if request.messages[0].role == "assistant":
        raise invalid('messages: first message must use the "user" role')
    if request.messages[-1].role == "assistant":
        raise invalid(
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )
    _check_marks(request)
    if strict_schema and request.output_config and request.output_config.format:
        check_schema(request.output_config.format.schema_)


def _check_marks(request: _CountTokens) -> None:
    contents = [request.system or "", *(message.content for message in request.messages)]
    marks = [
        block.cache_control.ttl
        for content in contents
        if not isinstance(content, str)
        for block in content
        if block.cache_control
    ]
    if request.cache_control:
        marks.append(request.cache_control.ttl)
    if len(marks) > MAX_MARKS:
        raise invalid(
            f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}."
        )
    if marks != sorted(marks):  # "1h" comes before "5m"
        raise invalid("a ttl='1h' cache_control block must not come after a ttl='5m' one")
