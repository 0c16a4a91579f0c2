#!/usr/bin/env python3
"""Joins README.md and all guides into one file, for search and for assistants.

  join_docs.py OUT           writes it
  join_docs.py --check       checks that no page of docs/ is missing
  join_docs.py --self-test   checks the check

The order is that of docs/README.md. Where it names a folder, the pages of the
folder follow in the order of their names. Before each page stands its path.
"""

import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
INDEX = "docs/README.md"
# A link of the index, which stands at the beginning of a row.
ROW = re.compile(r"^\| \[[^]]*\]\(([^)#]+)\)", re.MULTILINE)


def pages(root):
    """Returns the paths of the pages, from the root, in their order."""
    found = ["README.md", INDEX]
    for link in ROW.findall((root / INDEX).read_text(encoding="utf-8")):
        path = (root / "docs" / link).resolve()
        found.append(path.relative_to(root.resolve()).as_posix())
        if path.name == "README.md" and path.parent.parent == (root / "docs").resolve():
            found += sorted(
                page.relative_to(root.resolve()).as_posix()
                for page in path.parent.glob("*.md") if page != path)
    return list(dict.fromkeys(found))


def check(root):
    """Returns complaints."""
    known = pages(root)
    complaints = [f"{page}: {INDEX} names it, and it is not there"
                  for page in known if not (root / page).is_file()]
    there = sorted(page.relative_to(root).as_posix()
                   for page in (root / "docs").rglob("*.md"))
    return complaints + [
        f"{page}: add a row to {INDEX}, or no reader finds the page"
        for page in there if page not in known]


def join(root):
    """Returns the text of all pages."""
    parts = ["All guides of ebb in one file. Before each page stands its path; "
             "links go from there.\n"]
    for page in pages(root):
        text = (root / page).read_text(encoding="utf-8").strip()
        parts.append(f"<!-- {page} -->\n{text}\n")
    return "\n".join(parts)


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in {
                "README.md": "# x\n",
                INDEX: "| [b.md](b.md) | B? |\n| [a/](a/README.md) | A? |\n"
                       "| [../README.md](../README.md) | What? |\n",
                "docs/b.md": "# b\n",
                "docs/a/README.md": "# a\n",
                "docs/a/2.md": "# 2\n",
                "docs/a/1.md": "# 1\n"}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        assert check(root) == [], check(root)
        assert re.findall(r"<!-- (\S+) -->", join(root)) == [
            "README.md", INDEX, "docs/b.md", "docs/a/README.md",
            "docs/a/1.md", "docs/a/2.md"], join(root)
        assert "<!-- docs/a/2.md -->\n# 2\n" in join(root)
        (root / "docs/lost.md").write_text("# lost\n")
        (root / "docs/b.md").unlink()
        found = check(root)
        assert len(found) == 2 and found[0].startswith("docs/b.md: "), found
        assert found[1].startswith("docs/lost.md: add a row"), found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        self_test()
    elif sys.argv[1] == "--check":
        complaints = check(ROOT)
        print("\n".join(complaints) or "docs: every page is in the index")
        sys.exit(1 if complaints else 0)
    else:
        pathlib.Path(sys.argv[1]).write_text(join(ROOT), encoding="utf-8")


if __name__ == "__main__":
    main()
