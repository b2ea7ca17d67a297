"""The tasks of the ingestion pipeline."""

from axiom.pipelines.ingestion import FLOW
from axiom.tasks.base import register

run = register(FLOW)
