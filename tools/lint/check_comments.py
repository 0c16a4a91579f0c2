#!/usr/bin/env python3
"""Finds comments that begin with a subordinate clause and end there.

A comment such as "Whether it is open." makes the reader supply the main verb.
It says the same with one: "Returns whether it is open.", "True if it is open."
"Where there is none, the default holds." and "What is sent is kept." have one.

  check_comments.py [PATH...]      checks the project, or what is below PATH
  check_comments.py --self-test    checks the check, on planted comments
"""

import pathlib
import re
import sys
import tempfile

import english
from project_files import ROOT, project_files, read_lines

BEGINS = re.compile(
    r"(What|Whether|Where|As|Those|Likewise)\b(?![-’'`]|\s?=)")
# No main clause makes a good comment of these: "Those of a batch", "Likewise".
NEVER = ("Whether", "Those", "Likewise")

# Finite verbs. Words that are nouns more often are left out.
AUXILIARY = (r"(?:is|are|was|were|has|have|had|does|do|did|can|cannot|could|"
             r"may|might|must|will|would|shall|should)\b")
VERB = re.compile(
    rf"\b(?:{AUXILIARY}|(?:needs?|"
    r"says?|said|makes?|takes?|took|gives?|gave|comes?|came|goes|went|becomes?|"
    r"became|knows?|knew|tells?|told|gets?|got|lies?|lay|stands?|stood|"
    r"holds?|held|keeps?|kept|belongs?|depends?|differs?|sends?|heard|"
    r"finds?|began|begins?|brings?|remains?|waits|stays?|follows?|fits|"
    r"happens?|helps|costs|counts|serves|fails?|wants?|lacks?|loses?|lost|"
    r"grows?|wrote|writes|starts|ends|asks|learns?|sees?|reads|means|allows?|"
    r"leaves|applies|refuses?|decides|computes|uses|stops|expects?|loads|"
    r"answers|turns|works|appends|contains?|yields?)\b"
    r"|(?<=\bit )(?!its)[a-z]{2,}(?:s|ed)\b"
    r"|(?:(?<=\bthat )|(?<=\bwhich ))(?!this|its)[a-z]{2,}(?:s|ed)\b"
    rf"|[a-z]+ed(?=\s+(?:meanwhile\s+)?{AUXILIARY}))")
# Directly behind such a word a verb does not count. It is a noun, is not finite,
# or has the subject of the verb before: "the needs", "to have", "and has".
NOT_FINITE = re.compile(
    r"(?:-|\b(?:to|is|are|was|were|be|been|being|has|have|had|does|do|did|can|"
    r"cannot|could|may|might|must|will|would|shall|should|and|or|but|nor|not|"
    r"the|a|an|its|their)"
    r"(?:\s+(?:never|always|only|just|also|even|still|now|then|not|no longer|"
    r"already))?\s+)$")
# These words begin a further clause, with a verb of its own.
CLAUSE = re.compile(
    r"\b(?:that|which|who|whom|whose|what|where|when|while|whether|if|unless|"
    r"until|because|how|why|whenever|whatever|wherever|though|although|"
    r"(?:before|after|since|once)(?=\s+(?:it|they|there|this|one)\b)|"
    r"(?:as|than)(?=\s+(?:it|they|there|this|one|is|are|was|were|has|have|had|"
    r"does|do|did)\b))\b")
COMMA = re.compile(r",(?=\s)")
# Behind a comma: what goes on with the same clause, or explains it.
GOES_ON = re.compile(
    r"\s*(?:and|or|but|nor|not|so|for|e\.g|such|as|like|than|with|of|in|at|by|"
    r"from|to|on|before|after|since)\b")
EXPLAINS = re.compile(rf"\s*(?!what\b){CLAUSE.pattern}")


def has_clauses(text, count):
    """Returns whether a text has `count` clauses, apart from subordinate ones.

    Each has a finite verb, and the conjunction of one that is subordinate, or
    its pronoun, comes before its verb.
    """
    words = [(verb.start(), 1) for verb in VERB.finditer(text)
             if not NOT_FINITE.search(text, 0, verb.start())]
    words += [(clause.start(), -1) for clause in CLAUSE.finditer(text)]
    found = 0
    for _, change in sorted(words):
        found += change
        if found >= count:
            return True
    return False


def is_fragment(sentence):
    """Returns whether a sentence begins with such a word and lacks a verb."""
    begin = BEGINS.match(sentence)
    if not begin or sentence.endswith("?"):
        return False
    if begin.group() in NEVER:
        return True
    rest = re.split(r"[:;.](?:\s|$)", sentence[begin.end():])[0]
    commas = list(COMMA.finditer(rest))
    if begin.group() == "What" or not commas:
        goes_on = [comma.start() for comma in commas
                   if GOES_ON.match(rest, comma.end())]
        return not has_clauses(rest[:(goes_on or [len(rest)])[0]], 2)
    return not any(has_clauses(rest[comma.end():], 1) for comma in commas
                   if not GOES_ON.match(rest, comma.end())
                   and not EXPLAINS.match(rest, comma.end()))


def blocks_of(path, text):
    """Returns the paragraphs of the comments and docstrings of a file."""
    marker = english.language(path)
    if marker in (None, "markdown"):
        return []
    code = text
    if marker == "//" and 'R"' in text:
        code = english.RAW.sub(english.blank, text)
    blocks = list(english.comment_blocks(code, marker))
    if marker == "//" and "/*" in text:
        blocks += english.old_comment_blocks(code)
    if path.endswith(".py"):
        blocks += english.docstring_blocks(text)
    return [block for block in blocks if block.text]


def check(root, places=()):
    complaints = []
    for path in project_files(root):
        if places and not any(path == place or
                              path.startswith(place.rstrip("/") + "/")
                              for place in places):
            continue
        text = "\n".join(read_lines(root, path))
        for block in sorted(blocks_of(path, text), key=lambda b: b.numbers[0]):
            sentence = next(english.sentences(block.text))[1].strip()
            if is_fragment(sentence):
                complaints.append(f"{path}:{block.numbers[0]}: {sentence}")
    return complaints


# Path, content, and whether there is a complaint.
PLANTED = [
    ("a.cc", "// Whether it is open.", True),
    ("a.cc", "// Returns whether it is open.", False),
    ("a.cc", "// Is it open?\n//\n// Whether it is, `a` says.", True),
    ("a.h", "bool a;  // Whether it is open.", True),
    ("a.h", "bool a;  // True if it is open.", False),
    ("a.h", "// Those of a batch are sums.", True),
    ("a.h", "int a;  // Likewise.", True),
    ("a.cc", "// What a server sends.", True),
    ("a.cc", "// What a server sends is checked here.", False),
    ("a.cc", "// What the server is that holds the values.", True),
    ("a.cc", "// What the server that holds them is doing.", True),
    ("a.cc", "// What may be sent, and must be whole.", True),
    ("a.cc", "// What it holds may\n// hold this.", False),
    ("a.cc", "// What is small is answered, and what is large never.", False),
    ("a.cc", "// What was meant for one that is gone is dropped.", False),
    ("a.cc", "// What is wrong, or could be: it is empty if nothing is.", True),
    ("a.cc", "// What is a batch?", False),
    ("a.cc", "// What's more, What-if is a word, and Whatever, too.", False),
    ("a.cc", "// It is good. What it does.", False),
    ("a.cc", "// Where there is none, the default holds.", False),
    ("a.cc", "// Where the system maps large pages, this is fast.", False),
    ("a.cc", "// Where the rows begin, which is in bytes.", True),
    ("a.cc", "// Where the rows begin.", True),
    ("a.cc", "// As in Progress.", True),
    ("a.cc", "// As operator new would, and as malloc does.", True),
    ("a.cc", "// As a fixture, with what says that it is a server.", True),
    ("a.cc", "// What a worker says, as the server tells it.", True),
    ("a.cc", "// What it has, before the thread takes it.", True),
    ("a.cc", "// What those pushes changed is stored.", False),
    ("a.cc", "// What was decoded is encoded to what decodes so.", False),
    ("a.cc", "// As in ps-lite, a push is a sum.", False),
    ("a.cc", 'auto a = R"(\n// Whether it is.\n)";', False),
    ("a.cu", "/* Whether it is open. */", True),
    ("a.proto", "bool open = 1;  // Whether it is open.", True),
    ("a.py", "a = 1  # Whether it is open.", True),
    ("a.py", 'def a():\n    """Whether it is open."""', True),
    ("a.py", 'def a():\n    """Returns whether it is open."""', False),
    ("CMakeLists.txt", "# What the tests share.", True),
    ("a.cmake", "# What the tests share.", True),
    ("a.sh", "a  # Where it lies.", True),
    ("a.md", "Whether it is open.", False),
]


def self_test():
    failures = []
    for path, content, expected in PLANTED:
        with tempfile.TemporaryDirectory() as root:
            (pathlib.Path(root) / path).write_text(content + "\n")
            got = check(root)
        if len(got) != int(expected):
            failures.append(f"{path}: {content}: got {got}")
    return failures


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    else:
        found = check(ROOT, sys.argv[1:])
        if found:
            found.append(f"{len(found)} comments lack a main verb: say \"Returns "
                         "whether …\", \"True if …\", \"The … that …\"")
    print("\n".join(found) or "comments: clean")
    sys.exit(1 if found else 0)
