"""Checks of servers: do they answer, are they what we need, are they set well?"""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from contextlib import closing
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from axiom.cli.checks.finding import Check, fail, ok, warn
from axiom.config import Settings
from axiom.model import utcnow

TIMEOUT_S = 2.0
START = "axiom up; or start your own, and name it: AXIOM_{}_URL"
SKEW_S = 2.0
FEW_CONNECTIONS = 10
NEWEST_OLD_REDIS, NEWEST_OLD_POSTGRES = (6, 2), 140_000


def redis(wanted: Settings) -> Check:
    """The broker: alive, new enough, keeping what it is given."""
    import redis as client

    from axiom.resilience.store import connect

    try:
        with connect(wanted.require("redis_url")) as connection:
            info: Any = connection.info()
    except (client.RedisError, OSError) as error:
        return fail("redis", f"does not answer: {error}", START.format("REDIS"))
    version = str(info.get("valkey_version") or info["redis_version"])
    said = f"{'Valkey' if 'valkey_version' in info else 'Redis'} {version}"
    policy, aof = info.get("maxmemory_policy", "unknown"), int(info.get("aof_enabled", 0))
    if _numbers(info["redis_version"]) < NEWEST_OLD_REDIS:
        return fail("redis", f"{said} is too old", "use Redis 6.2 or newer, or Valkey")
    if policy != "noeviction":
        hint = "redis-cli CONFIG SET maxmemory-policy noeviction"
        return fail("redis", f"{said} throws messages away when full ({policy})", hint)
    if not aof:
        hint = "redis-cli CONFIG SET appendonly yes"
        return warn("redis", f"{said} forgets its queues when it is restarted", hint)
    used = int(info["used_memory"]) // 2**20
    return ok("redis", f"{said}, noeviction, on disk (AOF), {used} MB in use")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def postgres(wanted: Settings) -> Check:
    """The system of record: new enough, migrated, with room, and of the same time."""
    import psycopg2

    url = wanted.require("postgres_url")
    try:
        with closing(psycopg2.connect(url, connect_timeout=int(TIMEOUT_S))) as connection:
            connection.autocommit = True
            return _postgres(connection.cursor())
    except psycopg2.ProgrammingError:
        hint = "write what is not a letter or digit in the password as %XX"
        return fail("postgres", "AXIOM_POSTGRES_URL cannot be read", hint)
    except psycopg2.Error as error:
        said = str(error).strip().partition("\n")[0]
        return fail("postgres", f"does not answer: {said}", START.format("POSTGRES"))


def _postgres(cursor: Any) -> Check:
    number, version, at, left, has_migrations = _one(
        cursor,
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "
        "clock_timestamp(), current_setting('max_connections')::int - "
        "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), "
        "to_regclass('_yoyo_migration') IS NOT NULL",
    )
    skew_s = abs((utcnow() - at).total_seconds())
    said = f"PostgreSQL {version.split()[0]}"
    if number < NEWEST_OLD_POSTGRES:
        return fail("postgres", f"{said} is too old", "use PostgreSQL 14 or newer")
    if missing := _migrations() - (_applied(cursor) if has_migrations else set()):
        return fail("postgres", f"{said}: {len(missing)} migrations are missing", "axiom release")
    if skew_s > SKEW_S:
        hint = "let both machines set their clock by NTP"
        return warn("postgres", f"{said}: its clock differs by {skew_s:.0f} s", hint)
    if left < FEW_CONNECTIONS:
        hint = "raise max_connections, or start fewer workers"
        return warn("postgres", f"{said}: {left} connections are left", hint)
    return ok("postgres", f"{said}, migrated, {left} connections left, clock within {skew_s:.1f} s")


def _one(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetchone()


def _applied(cursor: Any) -> set[str]:
    cursor.execute("SELECT migration_id FROM _yoyo_migration")
    return {row[0] for row in cursor}


def _migrations() -> set[str]:
    folder = files("axiom.stores").joinpath("sql", "migrations")
    return {each.name.removesuffix(".sql") for each in folder.iterdir() if each.name[0] != "_"}


def graph(wanted: Settings) -> Check:
    """The graph: it answers a query."""
    from axiom.errors import StoreUnavailable
    from axiom.stores.graph import GraphStore
    from axiom.tasks.probes import probe

    url = wanted.require("graph_url")
    quick = probe("graph", wanted)  # the driver tries for much longer
    if not quick.up:
        return fail("graph", f"does not answer: {quick.error}", START.format("GRAPH"))
    store = GraphStore(url)
    try:
        [row] = store.query("MATCH (n) RETURN count(n) AS nodes")
    except StoreUnavailable as error:
        return fail("graph", str(error), "is the password in AXIOM_GRAPH_URL right?")
    finally:
        store.close()
    return ok("graph", f"answers Bolt queries, {row['nodes']:,} nodes")


def chroma(wanted: Settings) -> Check:
    """Embeddings: alive, and which version."""
    url = wanted.require("chroma_url").rstrip("/")
    try:
        with urllib.request.urlopen(f"{url}/api/v2/version", timeout=TIMEOUT_S) as answer:
            version = answer.read(50).decode().strip().strip('"')
    except (OSError, ValueError) as error:
        said = getattr(error, "reason", error)
        return fail("chroma", f"does not answer: {said}", START.format("CHROMA"))
    return ok("chroma", f"answers, version {version}")


def mail(wanted: Settings) -> Check:
    """The mail server: connects, and takes the login."""
    from axiom.tasks.alerting.notify import Mail, NotDelivered

    if not wanted.alert_to:
        return warn("mail", "nobody is told by e-mail", "set AXIOM_SMTP_URL and AXIOM_ALERT_TO")
    way = Mail(wanted.smtp_url.get_secret_value(), wanted.alert_from, wanted.alert_to)
    try:
        way.check()
    except NotDelivered as error:
        return fail("mail", str(error), "is AXIOM_SMTP_URL right? then: axiom alerts test")
    return ok("mail", f"{urlsplit(wanted.smtp_url.get_secret_value()).hostname} takes mail")


def webhooks(wanted: Settings) -> Check:
    """The webhooks: their hosts can be reached; nothing is posted."""
    hosts = [urlsplit(hook.get_secret_value()) for hook in wanted.alert_webhook]
    if not hosts:
        return ok("webhooks", "none is set (AXIOM_ALERT_WEBHOOK)")
    for host in hosts:
        where = (host.hostname or "", host.port or (443 if host.scheme == "https" else 80))
        try:
            socket.create_connection(where, TIMEOUT_S).close()
        except OSError as error:
            return fail("webhooks", f"{host.hostname}: {error}", "axiom alerts test")
    return ok("webhooks", ", ".join(str(host.hostname) for host in hosts))


def flower(wanted: Settings) -> Check:
    """Flower's port: our Flower's, free, or somebody else's."""
    url = f"http://127.0.0.1:{wanted.flower_port}/live"  # all else asks who is there
    if not wanted.flower_port:
        return ok("flower", "is on a port that axiom up chooses")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            if answer.read(10).strip() == b"ok":
                return ok("flower", f"answers on port {wanted.flower_port}")
    except urllib.error.HTTPError:
        pass
    except OSError:
        return ok("flower", f"port {wanted.flower_port} is free")
    hint = "axiom up takes another port; or set AXIOM_FLOWER_PORT"
    return warn("flower", f"port {wanted.flower_port} is somebody else's", hint)
