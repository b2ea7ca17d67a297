"""The tasks of the correlation pipeline."""

from axiom.pipelines.correlation import FLOW
from axiom.tasks.base import register

run = register(FLOW)
