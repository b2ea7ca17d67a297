"""The tasks of the graph pipeline."""

from axiom.pipelines.graph import FLOW
from axiom.tasks.base import register

run = register(FLOW)
