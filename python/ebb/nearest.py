"""Finds what a misspelt word was probably meant to be, as the programs do
(common/nearest.h)."""

from __future__ import annotations

from typing import Iterable


def edit_distance(a: str, b: str) -> int:
    """Returns how many letters are wrong, missing, too many or swapped with their
    neighbour."""
    d = [[max(i, j) if 0 in (i, j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            differ = a[i - 1] != b[j - 1]
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + differ)
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1)
    return d[len(a)][len(b)]


def nearest_name(text: str, candidates: Iterable[str]) -> str:
    """Returns the candidate of which ``text`` is probably a misspelling, whatever the
    case of its letters; empty: none."""
    nearest, best = "", len(text) + 4
    for candidate in candidates:
        # An extension is right in most cases, and says little.
        letters = candidate.rfind(".") if "." in candidate else len(candidate)
        bound = 1 if letters <= 3 else 2 if letters <= 8 else 3
        if abs(len(candidate) - len(text)) > bound:
            continue
        distance = edit_distance(text.lower(), candidate.lower())
        if distance <= bound and distance < min(best, len(candidate)):
            nearest, best = candidate, distance
    return nearest
