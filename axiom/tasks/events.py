"""The tasks of the events pipeline."""

from axiom.pipelines.events import FLOW
from axiom.tasks.base import register

run = register(FLOW)
