"""Every error that Axiom raises on purpose.

AxiomError
├── ConfigError              a setting is wrong; names the setting
├── TransientError           worth another attempt
│   ├── ProviderUnavailable  the provider is down, slow, or answers nonsense
│   ├── RateLimited          the provider asks us to wait; carries retry_after_s
│   └── StoreUnavailable     a store cannot be reached
├── ProviderDataError        the provider answered, and the answer is unusable
├── Refused                  a limit of our own says not now; carries retry_in_s
│   ├── BreakerOpen          the service is down; nothing retries this
│   ├── ServiceDown          a paid service does not answer; the work is put off
│   ├── InBatch              the question waits for its batch to be answered
│   └── BudgetSpent          a scope cannot pay the worst case of this call
├── ReplayEnded              the replay has shown its last day
├── ArtifactMissing          what an earlier step handed on has expired
├── NotNow                   the state of things does not allow what was asked for
├── UnknownPipeline, UnknownRun, UnknownAlert, UnknownName
└── AlreadyRunning           another `axiom up` holds this data directory
"""

from __future__ import annotations


class AxiomError(Exception):
    """Base of all errors below; its message is written for an operator."""


class ConfigError(AxiomError):
    """A setting is missing or wrong."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")
        self.setting = setting
        self.problem = problem

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, str]]:
        return type(self), (self.setting, self.problem)


class TransientError(AxiomError):
    """Something that another attempt may mend."""


class ProviderUnavailable(TransientError):
    """The provider cannot be reached, is too slow, or fails."""


class RateLimited(TransientError):
    """The provider asks us to slow down."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreUnavailable(TransientError):
    """A store cannot be reached."""


class ProviderDataError(AxiomError):
    """The provider answered, and the answer cannot be used."""


class Refused(AxiomError):
    """A limit of our own says not now: defer the work, nothing has failed."""

    def __init__(self, message: str, retry_in_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_in_s = retry_in_s


class BreakerOpen(Refused):
    """The service is down and is not called until it has had time to recover."""


class ServiceDown(Refused):
    """A paid service cannot be reached or fails; the work is put off, nothing is lost."""


class InBatch(Refused):
    """The question waits for its batch."""

    def __init__(self, message: str = "waits for its batch", retry_in_s: float = 30.0) -> None:
        super().__init__(message, retry_in_s)


class BudgetSpent(Refused):
    """What is left of the budget does not pay for this call."""


class ReplayEnded(AxiomError):
    """The replay has shown its last day."""


class ArtifactMissing(AxiomError):
    """What an earlier step handed on is gone; the run must start again from that step."""


class NotNow(AxiomError):
    """The state of things does not allow what was asked for; nothing was changed."""


class UnknownPipeline(AxiomError):
    """No pipeline has this name."""


class UnknownRun(AxiomError):
    """No run has this id."""


class UnknownAlert(AxiomError):
    """No alert has this id, or it is past what is asked of it."""


class UnknownName(AxiomError):
    """No account, token or process has this name."""


class AlreadyRunning(AxiomError):
    """Another `axiom up` holds this data directory."""
