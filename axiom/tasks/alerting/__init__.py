"""Alerts of Axiom itself: rules look at a snapshot, a person is told once, and told of the end.

snapshot.py   what the ledger, the broker, the processes and the servers say
rules.py      pure: a snapshot becomes findings
watcher.py    a thread that looks every few seconds; the rounds are shared out in Postgres
notify.py     e-mail and webhook; the outbox
"""
