"""The built-in login: said by the setting, or made once and kept from others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from axiom.config import load_settings
from axiom.errors import ConfigError
from axiom.login import FILE, built_in


def test_a_password_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    here = load_settings(data_dir=tmp_path / "not there yet")
    first, second = built_in(here), built_in(here)
    assert first.made
    assert not second.made
    assert first.password == second.password
    assert len(first.password) >= 20
    kept = here.data_dir / FILE
    assert kept.stat().st_mode & 0o777 == 0o600
    assert list(here.data_dir.iterdir()) == [kept]


def test_two_installations_have_different_passwords(tmp_path: Path) -> None:
    made = {built_in(load_settings(data_dir=tmp_path / name)).password for name in "ab"}
    assert len(made) == 2


def test_of_those_who_start_together_one_makes_it(tmp_path: Path) -> None:
    here = load_settings(data_dir=tmp_path)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: built_in(here), range(8)))
    assert len({each.password for each in found}) == 1


def test_the_setting_goes_first_and_nothing_is_kept(tmp_path: Path) -> None:
    here = load_settings(data_dir=tmp_path, console_password="long enough for us")
    assert built_in(here).password == "long enough for us"
    assert list(tmp_path.iterdir()) == []


def test_a_short_password_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="AXIOM_CONSOLE_PASSWORD: must have 12") as refused:
        load_settings(console_password="secret")
    assert "secret" not in str(refused.value)


def test_a_login_does_not_show_its_password(tmp_path: Path) -> None:
    login = built_in(load_settings(data_dir=tmp_path))
    assert login.password not in f"{login!r} {login}"
