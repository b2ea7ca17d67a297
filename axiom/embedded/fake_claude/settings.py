"""What the imitation can be told: at its start by a file, later by `PUT /_control`."""

from __future__ import annotations

import random
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# an answer of the API that is an error
Refused = Literal["rate_limit", "overloaded", "api_error", "unavailable", "timeout"]
# the connection: ended before an answer was made; after, unsent; after, half sent
Broken = Literal["closed", "lost", "cut_off"]
# an answer that comes late or is of no use
Useless = Literal["slow", "malformed", "off_schema", "refusal"]
Fault = Refused | Broken | Useless
Endpoint = Literal["messages", "count_tokens", "batches", "batch_item"]
Down = Literal["unavailable", "closed", "refused"]
Share = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A model that names what it does not know."""

    model_config = ConfigDict(extra="forbid")


class Uniform(Strict):
    """A delay anywhere between two bounds."""

    low: float = Field(ge=0)
    high: float = Field(ge=0)

    def draw(self, rng: random.Random) -> float:
        """One delay, in seconds."""
        return rng.uniform(self.low, self.high)


class LogNormal(Strict):
    """A delay with a long tail, as real services have it."""

    median: float = Field(gt=0)
    sigma: float = Field(default=0.5, ge=0)

    def draw(self, rng: random.Random) -> float:
        """One delay, in seconds."""
        return self.median * rng.lognormvariate(0, self.sigma)


Delay = Annotated[float, Field(ge=0)] | Uniform | LogNormal


def draw(delay: Delay, rng: random.Random) -> float:
    """One delay, in seconds."""
    return delay if isinstance(delay, int | float) else delay.draw(rng)


class Limits(Strict):
    """What one model allows per minute; `null` is no limit."""

    requests: int | None = Field(default=4000, gt=0)
    input_tokens: int | None = Field(default=2_000_000, gt=0)
    output_tokens: int | None = Field(default=400_000, gt=0)
    burst: float = Field(default=1.0, gt=0)  # what a full bucket holds, as a share of a minute


class Step(Strict):
    """What happens to the next requests of a kind, before chance has a say."""

    next: int = Field(default=1, gt=0)
    fault: Fault | None = None
    text: str | None = None  # answer with this
    on: Endpoint = "messages"
    model: str | None = None


class Behaviour(Strict):
    """What may change at run time."""

    limits: Limits = Limits()
    model_limits: dict[str, Limits] = {}
    # the API says tokens that remain to the nearest thousand
    remaining_rounded_to: int = Field(default=1000, gt=0)
    latency_s: Delay = 0.0
    slow_s: Delay = 30.0  # what the fault `slow` adds
    seed: int = 0
    rates: dict[Fault, Share] = {}
    batch_rates: dict[Fault, Share] = {}
    script: list[Step] = []
    retry_after_s: float = Field(default=1.0, ge=0)  # of the fault `rate_limit`
    down: Down | None = None
    geo: Literal["global", "us"] = "global"  # the workspace's default; `us` costs more
    batch_delay_s: float | None = Field(default=0.0, ge=0)  # null: until it is told to finish
    cache_min_tokens: int = Field(default=512, ge=0)
    model_cache_min_tokens: dict[str, int] = {}
    bytes_per_token: float = Field(default=4.0, gt=0)
    thinking_tokens: int = Field(default=0, ge=0)  # of an answer that was asked to think
    strict_schema: bool = True  # refuse keywords that structured output does not know

    @model_validator(mode="after")
    def _chances_add_up(self) -> Behaviour:
        for name in ("rates", "batch_rates"):
            if sum(getattr(self, name).values()) > 1 + 1e-9:
                raise ValueError(f"{name} add up to more than 1")
        return self

    def limits_of(self, model: str) -> Limits:
        """The limits of one model."""
        return self.model_limits.get(model, self.limits)

    def cache_min_of(self, model: str) -> int:
        """The shortest prefix of a model that is cached."""
        return self.model_cache_min_tokens.get(model, self.cache_min_tokens)


class Config(Behaviour):
    """The configuration file."""

    keys: list[str] = ["sk-ant-fake"]  # empty: any key will do
    versions: list[str] = ["2026-10-21"]
    answer: str | None = None  # "module:function", taking the request and giving the text
    prices: str | None = None  # a price file instead of the one of Axiom


class Actions(Strict):
    """What happens once when `PUT /_control` asks for it."""

    advance_s: float = Field(default=0, ge=0)
    finish_batches: bool = False
    expire_batches: bool = False
    forget_cache: bool = False
    forget_books: bool = False


def split(body: dict[str, Any]) -> tuple[dict[str, Any], Actions]:
    """Part a control request into settings and actions."""
    actions = {key: body[key] for key in body if key in Actions.model_fields}
    settings = {key: body[key] for key in body if key not in Actions.model_fields}
    return settings, Actions.model_validate(actions)


def changed(old: Behaviour, settings: dict[str, Any]) -> Behaviour:
    """The behaviour with some settings replaced; what was not named stays."""
    unknown = sorted(settings.keys() - Behaviour.model_fields.keys())
    if unknown:
        raise ValueError(f"not a setting that can change: {', '.join(unknown)}")
    kept = old.model_dump(include=Behaviour.model_fields.keys() - settings.keys())
    return Behaviour.model_validate(kept | settings)
