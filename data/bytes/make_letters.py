#!/usr/bin/env python3
"""Writes letter_tables.cc: which characters of Unicode are parts of words, and
the lower-case letters of upper-case ones.

  make_letters.py > letter_tables.cc; clang-format -i letter_tables.cc
"""
import sys
import unicodedata

WORD = ("L", "M", "N")  # Letters, the marks on them, and digits.


def ranges():
    found = []
    for c in range(0x80, 0x110000):
        if unicodedata.category(chr(c))[0] not in WORD:
            continue
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def lowers():
    """Runs (first, last, step, difference)."""
    found = []
    for c in range(0x80, 0x110000):
        lower = chr(c).lower()
        if len(lower) != 1 or lower == chr(c):
            continue
        difference = ord(lower) - c
        if found:
            first, last, step, same = found[-1]
            gap = c - last
            if same == difference and gap <= 2 and (first == last
                                                    or gap == step):
                found[-1] = [first, c, gap, same]
                continue
        found.append([c, c, 1, difference])
    return found


def main():
    print(f"""// Unicode {unicodedata.unidata_version}, beyond ASCII. make_letters.py makes this file.
#include "data/bytes/letter_tables.h"

namespace ebb::data::internal {{

const LetterRange kLetterRanges[] = {{""")
    print(", ".join(f"{{0x{a:x}, 0x{b:x}}}" for a, b in ranges()) + "};")
    print(f"const size_t kLetterRangeCount = {len(ranges())};\n")
    print("const LowerRun kLowerRuns[] = {")
    print(", ".join(f"{{0x{a:x}, 0x{b:x}, {s}, {d}}}"
                    for a, b, s, d in lowers()) + "};")
    print(f"const size_t kLowerRunCount = {len(lowers())};\n")
    print("}  // namespace ebb::data::internal")


if __name__ == "__main__":
    sys.exit(main())
