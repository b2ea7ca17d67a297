"""Local sentiment beside plain TF-IDF and a lexicon; event types, novelty and linking.

    python benchmarks/events.py [labelled_headlines.csv.gz] [--json]

Speeds are of one thread, per second of its processor's time and by the clock. The first
table needs the "Twitter Financial News Sentiment" training set (MIT by its card), which is
not shipped; it is split as `scripts/train_sentiment.py` splits it, so that the shipped
weights are measured on the fifth that they never saw. Without it only the sets in
tests/data/events and axiom/data/facts.jsonl are measured. About a minute.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.labelled import NoveltyScore

os.environ.setdefault("OMP_NUM_THREADS", "1")  # figures are of one thread
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
FACTS = ROOT / "axiom" / "data" / "facts.jsonl"
BOUNDS = {"accuracy": "0.84", "macro_f1": "0.78", "calibration_error": "0.05"}
BOUNDS |= {"per_s": "2,000", "per_s_by_clock": "2,000"}


def plain_tfidf(texts: Sequence[str], labels: Any) -> Callable[[list[str]], Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    return (
        make_pipeline(vectors, LogisticRegression(C=10, max_iter=500))
        .fit(texts, labels)
        .predict_proba
    )


def lexicon(texts: list[str]) -> Any:
    """Our own lexicon alone: good words less bad ones."""
    import numpy as np

    from axiom.analysts.sentiment_terms import _kinds_of, signed_sum, tokens

    sums = [signed_sum(kinds[0] for w in tokens(t) if (kinds := _kinds_of(w))) for t in texts]
    return np.eye(3)[[1 + int(np.sign(each)) for each in sums]]


def sentiment(path: str) -> dict[str, dict[str, float]]:
    import train_sentiment

    from axiom.analysts.sentiment import SentimentModel

    texts, labels, aside, truth = train_sentiment.load_split(path)
    model = SentimentModel()
    model.predict(aside[:10])
    found = {}
    for name, predict in (
        ("axiom", model.predict),
        ("plain TF-IDF", plain_tfidf(texts, labels)),
        ("lexicon", lexicon),
    ):
        began, clock = time.process_time(), time.perf_counter()
        said = predict(aside)
        took, waited = time.process_time() - began, time.perf_counter() - clock
        speeds = {"per_s": len(aside) / took, "per_s_by_clock": len(aside) / waited}
        found[name] = train_sentiment.scores(said, truth) | speeds
    return found


def facts() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FACTS.read_text(encoding="utf-8").splitlines()]


def on_facts() -> dict[str, float]:
    """Sentiment of the shipped facts about one company: none was trained on."""
    import train_sentiment

    from axiom.analysts.sentiment import CLASSES, SentimentModel

    one = [each for each in facts() if len(each["tickers"]) == 1]
    truth = [CLASSES.index(next(iter(each["sentiment"].values()))) for each in one]
    import numpy as np

    said = SentimentModel().predict([each["headline"] for each in one])
    return train_sentiment.scores(said, np.array(truth))


def types() -> dict[str, dict[str, float]]:
    from sklearn.metrics import accuracy_score, f1_score

    from axiom.analysts.local_events import event_type
    from tests.labelled import STORIES_HELD, TYPES_HELD, stories, typed

    sets = {
        "types_held.txt": list(typed(TYPES_HELD)),
        "stories_held.txt": [(each.text, each.type) for each in stories(STORIES_HELD)],
        "facts.jsonl": [(each["headline"], each["type"]) for each in facts()],
    }
    found = {}
    for name, rows in sets.items():
        truth = [kind for _, kind in rows]
        said = [event_type(text)[0].value for text, _ in rows]
        found[name] = {
            "headlines": len(rows),
            "accuracy": float(accuracy_score(truth, said)),
            "macro_f1": float(f1_score(truth, said, average="macro")),
        }
    return found


def unrelated(path: str) -> tuple[int, int]:
    """Return how many headlines of many days are taken for repeats of others, of how many."""
    import train_sentiment

    from axiom.analysts.embedding import embed
    from tests.labelled import Told, measure_novelty

    texts = train_sentiment.load_split(path)[2][:1000]
    told = [Told(text, n, "first", 0, "") for n, text in enumerate(texts)]
    return measure_novelty(told, embed).lost, len(told)


def novelty() -> dict[str, dict[str, Any]]:
    from axiom.analysts.embedding import embed
    from tests.labelled import (
        STORIES_BLIND,
        STORIES_DEV,
        STORIES_FRESH,
        STORIES_HANDS,
        STORIES_HELD,
        STORIES_LAST,
        STORIES_MORE,
        STORIES_OTHER,
        STORIES_TUNE,
        claude_judge,
        facts_by_week,
        measure_novelty,
        stories,
        together,
    )

    sets = {
        "other hand": [stories(STORIES_OTHER)],
        "held": [stories(STORIES_HELD)],
        "fresh": [stories(STORIES_FRESH)],
        "last": list(map(stories, STORIES_LAST)),
        "tune": [stories(STORIES_TUNE)],
        "more to tune": [stories(STORIES_MORE)],
        **{
            path.stem.removeprefix("stories_"): [stories(path)]
            for path in (*STORIES_BLIND, *STORIES_DEV)
        },
        **{hand: list(map(stories, paths)) for hand, paths in STORIES_HANDS.items()},
        "facts held": facts_by_week(held=True),
        "facts to tune": facts_by_week(held=False),
    }
    found = {}
    for name, parts in sets.items():
        score = together([measure_novelty(part, embed) for part in parts])
        found[name] = shown(score)
    for name, paths in (
        ("held + Claude", [STORIES_HELD]),
        ("fresh + Claude", [STORIES_FRESH]),
        ("last + Claude", STORIES_LAST),
    ):
        parts = [measure_novelty(stories(path), embed, claude_judge(path.name)) for path in paths]
        found[name] = shown(together(parts))
    return found


def shown(score: NoveltyScore) -> dict[str, Any]:
    near, near_of = score.near_duplicates
    free, free_of = score.by_how.get("other words", (0, 0))
    return {
        "stories": score.stories, "repeats": score.repeats, "found": score.found_share,
        "lost": score.lost_share,
        "edited": near / near_of if near_of else None,
        "other words": free / free_of if free_of else None,
    }  # fmt: skip


def linking() -> dict[str, dict[str, float]]:
    from tests.labelled import LINKING_HELD, LINKING_TUNE, linked, measure_linking

    found = {}
    for path in (LINKING_HELD, LINKING_TUNE):
        rows = linked(path)
        precision, recall = measure_linking(rows)
        found[path.name] = {"headlines": len(rows), "precision": precision, "recall": recall}
    return found


def speed() -> tuple[float, float]:
    """Headlines through the whole local analyst, per second of its processor's time and of a clock.

    Sentiment, type and companies. The clock's figure is lower where other work shares the core.
    """
    from datetime import UTC, datetime

    from axiom.analysts.local import LocalAnalyst
    from axiom.model import Headline
    from axiom.pipelines.linking import EntityFinder
    from axiom.providers.universe import load_universe

    companies = load_universe().companies
    analyst, finder = LocalAnalyst(companies), EntityFinder(companies)
    told = [Headline(each["headline"], datetime(2026, 1, 5, tzinfo=UTC), "a") for each in facts()]
    asked = [(each, finder.find(each)) for each in told * 3]
    analyst.classify(asked[:10])
    began, clock = time.process_time(), time.perf_counter()
    analyst.classify(asked)
    return len(asked) / (time.process_time() - began), len(asked) / (time.perf_counter() - clock)


def show(title: str, rows: dict[str, dict[str, Any]], bounds: dict[str, str] | None = None) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    table = Table(title, *(column.replace("_", " ") for column in columns))
    for name, row in rows.items():
        table.add_row(name, *(_shown(row.get(column)) for column in columns))
    if bounds:
        table.add_row("bound", *(bounds.get(column, "") for column in columns))
    Console(width=80).print(table)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) and value < 10 else f"{value:,.0f}"


def main() -> None:
    paths = [each for each in sys.argv[1:] if not each.startswith("-")]
    found: dict[str, Any] = {}
    if paths:
        found["sentiment"] = sentiment(paths[0])
        show("sentiment", found["sentiment"], BOUNDS)
    else:
        print(f"sentiment beside its peers needs a path; see {Path(__file__).name}'s first lines")
    found["sentiment_on_facts"] = {"facts.jsonl": on_facts()}
    show("sentiment", found["sentiment_on_facts"])
    found["types"] = types()
    show("event types", found["types"])
    found["novelty"] = novelty()
    bounds = {"found": "0.95", "edited": "0.95", "lost": "0.02"}
    show("novelty", found["novelty"], bounds)
    if paths:
        lost, of = found["unrelated_lost"] = unrelated(paths[0])
        print(f"taken for repeats, of {of:,} headlines of four months: {lost}")
    found["linking"] = linking()
    show("linking", found["linking"], {"precision": "0.95", "recall": "0.95"})
    found["analyst_per_s"], found["analyst_per_s_by_clock"] = speed()
    print(
        f"the whole local analyst: {found['analyst_per_s']:,.0f} headlines per second of processor,"
        f" {found['analyst_per_s_by_clock']:,.0f} by the clock (bound: 2,000)"
    )
    if "--json" in sys.argv:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
