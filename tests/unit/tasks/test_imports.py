"""What a worker's main process loads: it only hands out work, and there are many of them."""

from __future__ import annotations

import os
import subprocess
import sys

HEAVY = (
    "psycopg2",
    "neo4j",
    "chromadb",
    "numpy",
    "pandas",
    "scipy",
    "anthropic",
    "langgraph",
    "rich",
)
CODE = """
import sys
from axiom.celery import app
app.loader.import_default_modules()
app.finalize()
import axiom.tasks.health, axiom.tasks.pulse
print([name for name in {heavy} if name in sys.modules])
"""


def test_knowing_all_tasks_loads_no_driver_and_nothing_heavy() -> None:
    env = os.environ | {
        "AXIOM_REDIS_URL": "redis://127.0.0.1:1/0", "AXIOM_POSTGRES_URL": "postgresql://127.0.0.1:1/x",
    }  # fmt: skip
    told = subprocess.run(
        [sys.executable, "-c", CODE.format(heavy=HEAVY)],
        env=env, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert told.stdout.strip() == "[]"
