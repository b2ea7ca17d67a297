"""`python -m axiom.embedded.fake_claude`."""

from axiom.embedded.fake_claude.server import main

if __name__ == "__main__":
    main()
