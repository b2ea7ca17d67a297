"""An imitation of the Anthropic API on this machine, for tests and demonstrations.

The real SDK talks to it over HTTP. It checks what it is sent, enforces limits,
fails on request, and keeps books of its own, so that a test can compare what
Axiom thinks it spent with what was spent. Its answers are made up: every id
begins with `msg_fake_`.

Its arithmetic shares nothing with `axiom.analysts` but the price file, so that
one mistake cannot hide in both.
"""
