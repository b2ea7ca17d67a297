"""What Claude costs beside the naive design, by the benchmark's short form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(120)
def test_an_hour_costs_less_than_naively_and_the_books_agree() -> None:
    """The bound of a fifth is that of a day: in the first hour each company is read anyway."""
    done = subprocess.run(
        [sys.executable, "benchmarks/claude_cost.py", "--hours", "1", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["runs"] == {"graph": 1, "events": 12, "correlation": 1}
    rows = found["pipelines"]
    assert found["our_books_usd"] == pytest.approx(rows["all"]["usd"], abs=1e-6)
    assert (rows["graph"]["calls"], rows["graph"]["naive_calls"]) == (30, 30)
    assert 0 < rows["graph"]["usd"] < rows["graph"]["naive_usd"]  # by the cache alone
    assert 0 < 2 * rows["events"]["calls"] < rows["events"]["naive_calls"]
    assert rows["all"]["calls"] < rows["all"]["naive_calls"]
    assert found["ratio"] < 0.75
