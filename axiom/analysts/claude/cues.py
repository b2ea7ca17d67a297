"""The words that a sentence must hold to state an edge; and those that tell it is an order.

A span proves that a name stands in the text, not that the text says anything of it: who wants
an edge in the graph can write the name, and ask for it. So the sentence around the span, with
the title of its line, must hold a word of the edge's type, and must not speak to its reader.
Few and right: a fact that is worded otherwise is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from axiom.model import EdgeType

NO_CUE, ADDRESSED = "no_cue_in_sentence", "addresses_the_reader"

_CUES = {
    EdgeType.COMPETES_WITH: r"compet|rival|\bvs\b|against",
    EdgeType.SUPPLIES: r"suppl|sells? to|customer|deliver",
    EdgeType.CUSTOMER_OF: r"customer|buys?\b|purchas|supplie|sourc|procur",
    EdgeType.PARTNERS_WITH: r"partner|joint|alliance|allied|licen[cs]|collaborat|cooperat|together",
    EdgeType.OWNS: r"subsidiar|\bown(s|ed|ing)?\b|acqui|stake|\bbrands?\b|bought|divisions?\b",
    EdgeType.LEADS: r"chair|chief|\bc[a-z]o\b|president|founder|officer|\bled by\b|\bleads?\b|"
    r"key people|director|\bheads?\b|headed",
    EdgeType.MAKES: r"product|service|\bmak(es?|ing)\b|manufactur|offer|provid|develop|design|"
    r"\bsells?\b|\bselling\b|market|brand|platform|operat|includ|distribut|solution|software",
    EdgeType.IN_INDUSTRY: r"industr|sector|business|segment|compan(y|ies)\b",
    EdgeType.HEADQUARTERED_IN: r"headquarter|head office|\bbased\b|domicil|offices?\b",
}
_CUE = {kind: re.compile(words, re.IGNORECASE) for kind, words in _CUES.items()}
# the edge would point the wrong way
_REVERSED = re.compile(r"\bowned by\b|\b(subsidiary|division|unit|part) of\b|\bparent\b", re.I)
_ADDRESS = re.compile(
    r"\b(ignore|disregard|obey|forget|pretend|decode|override|instructions?|prompts?|injection|"
    r"spans?|edges?|json|cypher|sql|confidence|system:|assistant:|human:|developer|admin|"
    r"from memory|database|delete|detach|unwind|drop table|evidence|quote|"
    r"you (must|should|are|will|may|can|extract|read|write)|(you are|act) as|answer (in|with|only)|"
    r"(add|record|note|output|print|repeat|extract|insert|say|write|call|include|list) "
    r"(that|the|a|an|this|these|your|all|every|function))\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[a-z)]{2}[.!?])\s+(?=[A-Z])")


def objection(kind: EdgeType, name: str, span: str, text: str) -> str | None:
    """Return why no sentence that holds the span states the edge; None where one does."""
    found = NO_CUE
    for sentence in _around(span, text):
        if _ADDRESS.search(sentence):
            found = ADDRESSED
        elif _states(kind, name, sentence):
            return None
    return found


def _states(kind: EdgeType, name: str, sentence: str) -> bool:
    cue = _CUE[kind].search(sentence)
    if kind is not EdgeType.OWNS:
        return cue is not None
    # who owns comes first, then the word, then what is owned
    return cue is not None and not _REVERSED.search(sentence) and name in sentence[cue.start() :]


def _around(span: str, text: str) -> Iterator[str]:
    for line in text.splitlines():
        title, colon, told = line.partition(": ")
        if not colon:
            title, told = "", line
        sentences = [each for each in _SENTENCE.split(told) if span in each]
        if not sentences and span in told:
            sentences = [told]  # it goes over the end of a sentence
        yield from (f"{title}{colon}{each}" for each in sentences)
