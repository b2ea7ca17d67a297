"""The correlation report, as files."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import pytest

from axiom.model import Correlation
from axiom.pipelines.changes import Change, Explanation
from axiom.stores import reports
from axiom.stores.reports import ReportWriter, UnkeptReports
from tests.fakes.threads import at_once

AT = datetime(2014, 1, 2, 21, tzinfo=UTC)
PAIR = Correlation("AAPL", "MSFT", 60, "pearson", 59, 0.81, 0.7, 0.9, 0.001, 0.002)
PAIRS = [
    PAIR,
    replace(PAIR, b="XOM", r=-0.42, q=0.2),
    replace(PAIR, a="MSFT", b="XOM", r=0.05, q=0.9),
]
TOLD = Explanation("AAPL", "MSFT", 60, "pearson", "new", "They move together.", "local", "p1")
EVIL = "<script src='https://evil.example/x.js'></script>\"' onload=alert(1) {{ 7*7 }} & 株"


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def write(
    directory: Path, pairs: Sequence[Correlation] = PAIRS, told: Sequence[Explanation] = (TOLD,)
) -> tuple[Path, Path]:
    shown = ("2013-10-01", "2014-01-02")
    changes = [Change("new", each, None) for each in pairs[: len(told)]]
    html, png = ReportWriter(directory).write("replay", AT, shown, pairs, changes, told)
    return Path(html), Path(png)


def test_a_page_and_a_picture_are_written_below_the_directory(tmp_path: Path) -> None:
    html, png = write(tmp_path / "made" / "for it")
    stem = tmp_path / "made" / "for it" / "correlation-replay-20140102T210000Z"
    assert (html, png) == (stem.with_suffix(".html"), stem.with_suffix(".png"))
    assert sorted(stem.parent.iterdir()) == [html, png]


def test_the_page_tells_the_pairs_their_statistics_and_what_changed(tmp_path: Path) -> None:
    page = Page(write(tmp_path)[0].read_text(encoding="utf-8"))
    for told in (
        "Market: replay (replayed data, not live)", "2014-01-02 21:00 UTC",
        "2013-10-01 to 2014-01-02", "Pearson, 60 days", "AAPL · MSFT", "0.810", "0.700 to 0.900",
        "-0.42", "They move together.",
    ):  # fmt: skip
        assert told in page.text
    titles = [value for name, value in page.attributes if name == "title"]
    assert titles.count("AAPL and XOM: r -0.420, n 59, q 0.2000") == 1


def test_every_window_and_method_has_its_map(tmp_path: Path) -> None:
    more = [replace(each, window=120, method="spearman") for each in PAIRS]
    page = Page(write(tmp_path, PAIRS + more)[0].read_text(encoding="utf-8"))
    assert "Pearson, 60 days" in page.text
    assert "Spearman, 120 days" in page.text
    assert page.tags.count("h2") == 3


def test_names_and_explanations_are_text_and_never_markup(tmp_path: Path) -> None:
    evil = [replace(PAIR, a=EVIL, b="</style><b>"), replace(PAIR, a=EVIL), PAIR]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of signs that the font does not have
        html, _ = write(
            tmp_path, evil, [replace(TOLD, a=EVIL, b="</style><b>", text=EVIL, analyst=EVIL)]
        )
    page = Page(html.read_text(encoding="utf-8"))
    assert EVIL in page.text
    assert "49" not in page.text
    assert set(page.tags) == {
        "html", "meta", "title", "style", "h1", "p", "b", "h2", "div", "table", "caption", "tr",
        "th", "td", "h3", "svg", "line", "text",
    }  # fmt: skip
    assert {name for name, _ in page.attributes} == {
        "lang", "charset", "name", "content", "class", "scope", "style", "title", "role",
        "aria-label", "viewbox", "x1", "y1", "x2", "y2", "x", "y", "stroke-width",
    }  # fmt: skip
    assert page.tags.count("b") == 1


def test_the_page_asks_no_other_host_for_anything(tmp_path: Path) -> None:
    text = write(tmp_path)[0].read_text(encoding="utf-8")
    assert re.findall(r"(?i)(?:https?:|//|@import|url\(|\bsrc=|\bhref=)", text) == []


@pytest.mark.parametrize("tables", [0, 1, 3])
def test_the_picture_is_a_png_of_sensible_size(tmp_path: Path, tables: int) -> None:
    pairs = [replace(each, window=60 * n) for n in range(1, tables + 1) for each in PAIRS]
    _, png = write(tmp_path, pairs)
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    rows, columns, _ = matplotlib.image.imread(png).shape
    assert columns == 14 * 80
    assert rows == int(6.6 * 80) * max(tables, 1)
    assert png.stat().st_size < 500_000


@pytest.mark.parametrize("name", ["$x^{$", "A$B$", "a\\b_c", "%s {0}", "x" * 300])
def test_a_name_is_drawn_as_it_is_whatever_is_in_it(tmp_path: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name too long for the layout
        _, png = write(tmp_path, [PAIR, replace(PAIR, b=name)])
    assert matplotlib.image.imread(png).shape[1] == 14 * 80


def test_pairs_that_are_missing_leave_empty_cells(tmp_path: Path) -> None:
    html, png = write(tmp_path, PAIRS[:2], [])
    page = Page(html.read_text(encoding="utf-8"))
    assert "Nothing, or this is the first result." in page.text
    empty = [value for name, value in page.attributes if name == "class" and value]
    assert sum("self" in value.split() for value in empty) == 3 + 2
    assert png.exists()


def test_a_result_without_pairs_is_a_report_too(tmp_path: Path) -> None:
    html, _ = write(tmp_path, [], [])
    assert "What changed" in html.read_text(encoding="utf-8")


def test_a_report_is_replaced_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    html, png = write(tmp_path)
    before = html.read_bytes(), png.read_bytes()

    def half(path: Path, *args: object) -> None:
        path.write_bytes(b"\x89PNG half")
        raise OSError("the disk is full")

    monkeypatch.setattr(reports, "_png", half)
    with pytest.raises(OSError, match="full"):
        write(tmp_path)
    assert (html.read_bytes(), png.read_bytes()) == before
    assert sorted(tmp_path.iterdir()) == [html, png]


def test_two_who_write_a_report_at_once_leave_one_whole_report(tmp_path: Path) -> None:
    write(tmp_path / "warm")
    written = at_once(lambda: write(tmp_path / "x"), lambda: write(tmp_path / "x"))
    assert written[0] == written[1]
    assert sorted((tmp_path / "x").iterdir()) == list(written[0])
    assert matplotlib.image.imread(written[0][1]).shape[1] == 14 * 80


def test_a_dry_run_draws_and_keeps_nothing(tmp_path: Path) -> None:
    drawn = UnkeptReports(tmp_path).write("replay", AT, ("a", "b"), PAIRS, [], [TOLD])
    assert drawn == [f"correlation-replay-20140102T210000Z.{end}" for end in ("html", "png")]
    assert list(tmp_path.iterdir()) == []


def test_changes_are_told_with_what_was_and_what_is(tmp_path: Path) -> None:
    now = replace(PAIR, r=0.81)
    change = Change("moved", now, replace(PAIR, r=0.25))
    html, _ = ReportWriter(tmp_path).write("replay", AT, ("a", "b"), PAIRS, [change], [TOLD])
    text = Page(Path(html).read_text(encoding="utf-8")).text
    assert re.search(r"moved0\.2500\.8100\.700 to 0\.9000\.002They move together\. .local.", text)


def test_breaks_leaders_and_what_is_left_of_r_are_told(tmp_path: Path) -> None:
    pair = replace(
        PAIR, n_eff=41.0, shrunk=0.7, cleaned=0.6, break_q=0.01, lag=-2, lag_r=0.4, lag_q=0.001
    )
    html, _ = write(tmp_path, [pair, *PAIRS[1:]])
    text = " ".join(Page(html.read_text(encoding="utf-8")).text.split())
    assert "1 of 3 pairs are significant; 1 broke with the window before." in text
    assert "0.9005941" in text
    assert "MSFTAAPL20.4000.001" in text.replace(" ", "")


def test_of_a_large_universe_the_map_shows_some_and_says_so(tmp_path: Path) -> None:
    names = [f"T{n:03}" for n in range(60)]
    pairs = [
        replace(PAIR, a=a, b=b, r=0.9 if a < "T040" and b < "T040" else 0.1)
        for n, a in enumerate(names) for b in names[n + 1 :]
    ]  # fmt: skip
    page = Page(write(tmp_path, pairs)[0].read_text(encoding="utf-8"))
    assert "The map shows the 40 of 60 instruments" in page.text
    assert "T045" not in page.text
