"""Plain English: finds the prose in a file, and says what is wrong with it.

Prose is: the comments of sources, scripts and messages, the docstrings of
scripts, the text of Markdown files, and the help texts of commands. mistakes()
finds it and names the sentences that break a rule of sentence_mistakes().
"""

import bisect
import fnmatch
import re

MOST_WORDS = 40  # In a sentence. Aim at 30.

# Files that may hold no mistake. All others have an allowance, which only
# shrinks (english_allowance.txt).
STRICT = ["CHANGELOG.md", "README.md", "SECURITY.md", "docs/*.md",
          "docs/decisions/*.md", "docs/formats/*.md", "docs/internals/*.md",
          "include/ebb/*.h", "proto/ebb/v1/*.proto"]
# True: help texts may hold no mistake, wherever they stand.
HELP_IS_STRICT = True

LANGUAGES = [  # File names, and how their comments begin.
    (("*.h", "*.cc", "*.cu", "*.proto"), "//"),
    (("*.py", "*.sh", "*.cmake", "CMakeLists.txt"), "#"),
    (("*.md",), "markdown"),
]


def language(path):
    """Returns how comments begin in a file, "markdown", or None: no prose."""
    name = path.rsplit("/", 1)[-1]
    for patterns, found in LANGUAGES:
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            return found
    return None


def is_strict(path):
    return any(fnmatch.fnmatch(path, pattern)
               and path.count("/") == pattern.count("/") for pattern in STRICT)


# --- What is wrong with a sentence -------------------------------------------

BEGINS = re.compile(r"(?:Of|Whose|That|Who)\b(?![-’'`])")
PROCESS = re.compile(
    r"\b(?:who|whom|whoever|somebody|anybody|everybody|nobody)\b(?!-)",
    re.IGNORECASE)  # "Whose" is of things, too.
PEOPLE = re.compile(  # Directly before "who": a person is meant.
    r"\b(?:people|persons?|users?|operators?|readers?|authors?|owners?|those|"
    r"reviewers?|administrators?|someone|anyone)\W+$", re.IGNORECASE)
# "There is no room", "it is no longer" and "they are no more than" are plain.
DOUBLE = re.compile(
    r"(?<!\bthere )\b(?:is|are|was|were) no "
    r"(?!(?:long|larg|small|great|low|high|fast|slow|earli|lat|old|new|bett|"
    r"wors|short|wid|deep|bigg|clos|near|few|soon)er\b|more\b|less\b|worse\b|"
    r"matter\b|good\b|use\b|further\b|farther\b)"
    r"|\b(?:is|are) none (?!of\b)(?<!there is none )(?<!there are none )"
    r"|\b(?:none|nobody|nothing|no one) but\b"
    r"|\bnothing (?:that|which|of)\b"
    r"|\b(?:no|not|none|nothing|never|neither|nor)\b"
    r"[^.;:]*\bunless\b[^.;:]*\bneither\b"
    r"|\b(?:no|none|nothing|neither|nor)\b[^.;:]*\bunless\b",
    re.IGNORECASE)
WORD = re.compile(r"[^\s\d\W]\S*|\d\S*")

BEGINS_ADVICE = "begins without a subject: say who does what"
PROCESS_ADVICE = "a process or thread is \"it\", or better its name"
DOUBLE_ADVICE = "a double turn: say what is true"
LONG_ADVICE = "words in a sentence: write two"


def sentence_mistakes(sentence, kind):
    """Says what is wrong with a sentence of a "comment", a "help" or "prose".

    Yields (offset in the sentence, rule, advice).
    """
    if (found := BEGINS.match(sentence)) and not sentence.endswith("?"):
        yield 0, 2, f"\"{found.group()}\" {BEGINS_ADVICE}"
    if kind != "prose" and not sentence.endswith("?"):
        for found in PROCESS.finditer(sentence):
            if found.start() == 0 and BEGINS.match(sentence):
                continue
            if not PEOPLE.search(sentence, 0, found.start()):
                yield found.start(), 3, f"\"{found.group()}\": {PROCESS_ADVICE}"
    for found in DOUBLE.finditer(sentence):
        text = found.group().strip()
        text = text if len(text) < 30 else text[:12] + " … " + text[-10:]
        yield found.start(), 4, f"\"{text}\": {DOUBLE_ADVICE}"
    if (words := len(WORD.findall(sentence))) > MOST_WORDS:
        yield 0, 5, f"{words} {LONG_ADVICE}"


# --- From text to sentences --------------------------------------------------

END = re.compile(r"[.!?][\"')\]”]*(?=\s+[\"'(\[“]*[A-Z`\d*])")
ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|vs|cf|etc|approx|ca|St|\w)\.$")


def sentences(text):
    """Yields (offset, sentence)."""
    begin = 0
    for end in END.finditer(text):
        if text[end.start()] == "." and ABBREVIATED.search(
                text, max(0, end.start() - 8), end.start() + 1):
            continue
        yield begin, text[begin:end.end()]
        begin = end.end()
    yield begin, text[begin:]


class Block:
    """A paragraph: its text in one line, and where its lines stand."""

    def __init__(self, kind):
        self.kind = kind
        self.text = ""
        self.offsets, self.numbers = [], []

    def add(self, number, text):
        if text := text.strip():
            self.text += " " if self.text else ""
            self.offsets.append(len(self.text))
            self.numbers.append(number)
            self.text += text

    def mistakes(self):
        for begin, sentence in sentences(self.text):
            begin += len(sentence) - len(sentence.lstrip(" (…"))
            sentence = self.text[begin:][:len(sentence)].rstrip()
            for offset, rule, advice in sentence_mistakes(
                    sentence.lstrip(), self.kind):
                line = bisect.bisect_right(self.offsets, begin + offset) - 1
                yield (self.numbers[max(line, 0)], rule,
                       f"{shortened(sentence)}: {advice}")


def shortened(text):
    return text if len(text) < 50 else text[:48].rstrip() + " …"


CODE = re.compile(
    r"(`+)(?!`).+?(?<!`)\1(?!`)|(?<![\w.,])\"(?=\S)[^\"]{1,60}(?<=\S)\"(?!\w)")
BULLET = re.compile(r"(?:[-*+]|\(?\d+[.)])\s+")
ROW = re.compile(r"[\w-]+(?:, [\w-]+)*\s\s+(?=\S)")  # In a table in a comment.
EXAMPLE_CODE = re.compile(r".*[;{}](\s*//.*)?$")
BANNER = re.compile(r"[-=*_/#\s]*")


def plain(text):
    """The text without code and quotations, which count as one word each."""
    return CODE.sub(lambda m: "`x" + "_" * (len(m.group()) - 3) + "`"
                    if len(m.group()) > 3 else m.group(), text)


def paragraphs(lines, kind):
    """The blocks of the lines of a comment: (number, text after the marker)."""
    block, indent = Block(kind), 0
    for number, text in lines:
        bare = text.strip()
        depth = len(text) - len(text.lstrip())
        if depth > 2 and EXAMPLE_CODE.match(bare):
            yield block
            block = Block(kind)
            continue
        bullet = BULLET.match(bare) or (depth and ROW.match(bare))
        if (not bare or BANNER.fullmatch(bare) or bullet or "   " in bare
                or depth > indent + 2):
            yield block
            block = Block(kind)
            indent = depth if not bullet else depth + len(bullet.group())
        if bullet:
            bare = bare[bullet.end():]
        if block.text or depth <= 4 or bullet:
            block.add(number, plain(bare))
    yield block


# --- From a file to its comments ---------------------------------------------

STRING = r'"(?:[^"\\\n]|\\.)*"'
SLASHES = re.compile(
    rf"^(?:[^\"'/\n]|{STRING}|'(?:[^'\\\n]|\\.[^'\n]*)'|'|/(?!/))*?//", re.M)
RAW = re.compile(r'R"\(.*?\)"', re.S)
HASH = re.compile(
    rf"(?:[^\"'#\n]|{STRING}|'(?:[^'\\\n]|\\.)*'|(?<=\S)#)*?(?<!\S)#")
OLD = re.compile(r"^(?:[^\"/\n]|/(?![/*]))*?/\*(\s.*?)\*/", re.M | re.S)
DOCSTRING = re.compile(
    r'(?:\A(?:[ \t]*#[^\n]*\n|\n)*|:[ \t]*(?:#[^\n]*)?\n[ \t]+)'
    r'[rR]?("""|\'\'\')(.*?)\1', re.S)


def blank(match):
    return re.sub(r"[^\n]", "_", match.group())


def comment_lines(text, marker):
    """Yields (number, column, whether code is before it, text)."""
    beginning = SLASHES if marker == "//" else HASH
    for number, line in enumerate(text.split("\n"), 1):
        if marker not in line:
            continue
        bare = line.lstrip()
        if bare.startswith(marker):
            column, after = len(line) - len(bare), bare
        elif found := beginning.match(line):
            column = found.end() - len(marker)
            after = line[column:]
        else:
            continue
        if not after.startswith("#!"):
            yield number, column, column != len(line) - len(bare), (
                after.lstrip(marker[0]))


def comment_blocks(text, marker):
    lines, last = [], (0, 0)
    for number, column, trails, after in comment_lines(text, marker):
        if trails or (number - 1, column) != last:
            yield from paragraphs(lines, "comment")
            lines = []
        lines.append((number, after))
        last = (number, column)
    yield from paragraphs(lines, "comment")


def old_comment_blocks(text):
    """The comments between /* and */."""
    for found in OLD.finditer(text):
        first = text.count("\n", 0, found.start(1)) + 1
        yield from paragraphs(
            [(first + i, re.sub(r"^\s*\*", "", line) if i else line)
             for i, line in enumerate(found.group(1).split("\n"))], "comment")


def docstring_blocks(text):
    for found in DOCSTRING.finditer(text):
        first = text.count("\n", 0, found.start(2)) + 1
        lines = found.group(2).split("\n")
        depth = min((len(line) - len(line.lstrip())
                     for line in lines[1:] if line.strip()), default=0)
        yield from paragraphs(
            [(first + i, line[depth:] if i else line)
             for i, line in enumerate(lines)], "comment")


# --- Markdown ----------------------------------------------------------------

FENCE = re.compile(r"\s*(```+|~~~+)")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(?:\[[ x]\]\s+)?")
QUOTE = re.compile(r"\s{0,3}>\s?")


def markdown_blocks(text):
    block, fence, blank_before = Block("prose"), None, True
    depth = 0  # The indentation of the list item that the text is in.
    for number, line in enumerate(text.split("\n"), 1):
        if found := FENCE.match(line):
            if fence is None:
                fence = found.group(1)
                yield block
                block = Block("prose")
            elif line.strip().startswith(fence):
                fence = None
            continue
        if fence is not None:
            continue
        line = QUOTE.sub("", line)
        indent = len(line) - len(line.lstrip())
        item = ITEM.match(line)
        if not line.strip():
            yield block
            block, blank_before = Block("prose"), True
            continue
        if blank_before and not item and indent >= depth + 4:
            continue  # Indented: code.
        if item or line.startswith("#") or line.lstrip().startswith("|"):
            yield block
            block = Block("prose")
        blank_before = False
        line = LINK.sub(r"\1", plain(line)).replace("**", "")
        if item:
            depth = item.end()
            line = ITEM.sub("", line)
        elif indent == 0:
            depth = 0
        if line.lstrip().startswith("|"):
            for cell in line.strip().strip("|").split("|"):
                block = Block("prose")
                block.add(number, cell)
                yield block
            block = Block("prose")
            continue
        block.add(number, line.lstrip("# ") if line[0] == "#" else line)
        if line.startswith("#"):
            yield block
            block = Block("prose")
    yield block


# --- Help texts --------------------------------------------------------------

HELP = re.compile(
    r"(?:\b(?:add_(?:option|flag|subcommand)\w*(?:<[^()\n]*>)?|footer|"
    r"description|Add\w*(?:Flag|Option|Command)\w*|AddAsking|[aA]dd|duration|"
    r"Make)\s*\(|CLI::App \w+[({])")
PIECE = re.compile(
    rf"{RAW.pattern}|{STRING}|//[^\n]*|[(){{}},;]|'(?:[^'\\\n]|\\.)'", re.S)
EXAMPLE = re.compile(r"^Examples?:$", re.M)


def add_raw(block, number, text):
    """Adds the lines of a raw string, up to an example of the command."""
    if example := EXAMPLE.search(text):
        text = text[:example.start()]
    for i, line in enumerate(text.split("\n")):
        block.add(number + i, plain(line))


def help_blocks(text):
    """The help texts that CLI11 gets: each argument of a call is a block."""
    if "CLI" not in text and "command.h" not in text:
        return
    for call in HELP.finditer(text):
        depth, braces, at = 1, 0, call.end()
        block, number = Block("help"), text.count("\n", 0, at) + 1
        for piece in PIECE.finditer(text, at):
            found = piece.group()
            number += text.count("\n", at, piece.start())
            at = piece.start()
            if found in "({":
                depth, braces = depth + 1, braces + (found == "{")
            elif found in ")}":
                depth, braces = depth - 1, braces - (found == "}")
                if depth == 0:
                    break
            elif found[0] == "R" and braces == 0:
                add_raw(block, number, found[found.index("(") + 1:-2])
            elif found[0] == '"' and braces == 0:
                literal = found[1:-1].replace("\\n", " ").replace("\\\"", "\"")
                # Names of flags and commands are left out.
                if block.text or " " in literal or literal.istitle():
                    block.offsets.append(len(block.text))
                    block.numbers.append(number)
                    block.text += literal
            elif found in ",;" and depth == 1:
                yield block
                block = Block("help")
        yield block


def mistakes(path, text):
    """The mistakes of a file: (line, rule, complaint, whether it is help)."""
    marker = language(path)
    if marker is None:
        return []
    if marker == "markdown":
        blocks = list(markdown_blocks(text))
    else:
        code = text  # Without raw strings.
        if marker == "//" and 'R"' in text:
            code = RAW.sub(blank, text)
        blocks = list(comment_blocks(code, marker))
        if marker == "//" and "/*" in text:
            blocks += old_comment_blocks(code)
        if path.endswith(".py"):
            blocks += docstring_blocks(text)
        if path.endswith(".cc"):
            blocks += help_blocks(text)
    return sorted({(line, rule, complaint, block.kind == "help")
                   for block in blocks if block.text
                   for line, rule, complaint in block.mistakes()})


def is_excused(path, is_help):
    """Returns whether a mistake counts against the allowance of its file."""
    return not (is_strict(path) or (is_help and HELP_IS_STRICT))
