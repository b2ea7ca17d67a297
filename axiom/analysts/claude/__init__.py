"""Claude as the analyst: what is asked, and what of the answers holds.

Nothing here knows how a question gets to Claude: `ask` is given. Neither
`anthropic` nor, until a question is put, `langgraph` is imported.
"""

from axiom.analysts.claude.analyst import ClaudeAnalyst, Models

__all__ = ["ClaudeAnalyst", "Models"]
