"""What an operator reads when the graph server fails."""

import pytest
from neo4j.exceptions import ServiceUnavailable

from axiom.errors import StoreUnavailable
from axiom.stores.bolt import translated


def test_an_error_of_several_lines_is_told_whole_in_one_line() -> None:
    said = "Couldn't connect to here:7687 (resolved to ('127.0.0.1:7687',)):\nTimed out trying"
    with pytest.raises(StoreUnavailable) as told, translated():
        raise ServiceUnavailable(said)
    assert str(told.value) == f"the graph: {said.replace(chr(10), ' ')}"
