"""Let a worker live through a restart of its broker, which kombu 5.7 alone does not.

When the broker goes away the consumer closes its connection twice. `Channel.close()` of the
Redis transport first finishes the BRPOP that is on the wire (celery/kombu#1733); if that read
fails, the first close stops there, with the channel still open. By the second close the
transport has let go of its client, so handing back the unacknowledged messages raises
"'NoneType' object has no attribute 'hostname'" (seen in another place in celery/kombu#582),
which nothing catches: the worker exits with status 1. It takes a message in work, a free slot
(else no BRPOP is pending), and a fanout socket that notices the loss before the BRPOP's does.

The remedy is that a failing read no longer aborts the close. To be dropped when kombu does so.
"""

from contextlib import suppress
from functools import cache
from queue import Empty
from typing import Any

import kombu
import structlog
from kombu.transport import redis

log = structlog.get_logger(__name__)


@cache  # applied once, and warned of once
def apply() -> bool:
    """Patch the Redis transport of kombu 5.7; leave any other version alone and return False."""
    if kombu.VERSION[:2] != (5, 7):
        log.warning("broker_patch_not_applied", kombu=kombu.__version__, made_for="5.7")
        return False
    channel_type: Any = redis.Channel  # kombu does not annotate its transports
    close = channel_type.close

    def close_even_if_the_poll_fails(self: Any) -> None:
        if self._in_poll:
            with suppress(Empty, *self.connection_errors):
                self._brpop_read()  # clears _in_poll, also when it raises
        close(self)

    channel_type.close = close_even_if_the_poll_fails
    return True
