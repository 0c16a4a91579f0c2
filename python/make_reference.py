#!/usr/bin/env python3
"""Makes docs/python-reference.md from the docstrings of the Python package.

  make_reference.py            writes the page
  make_reference.py --check    exits 1 if the page is not what it would write

It reads the sources without importing them, so it needs nothing installed.
"""
import ast
import os
import re
import sys
import textwrap
import typing

PYTHON = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(PYTHON, "..", "docs", "python-reference.md")
HEAD = """# Python reference

This page has all public names of the package `ebb`, from their docstrings. `python/make_reference.py` writes it; do not edit it by hand.

Every name below is of `import ebb`, unless its heading names a module.
"""
# Subpackages in the order of the page; those that are not there are left out.
MODULES = ["local", "data", "torch", "sklearn", "keras", "spark"]


def module_of(name):
    """Returns the parsed module, for example of "ebb.local"; None: no such."""
    path = os.path.join(PYTHON, *name.split("."))
    for file in (path + ".py", os.path.join(path, "__init__.py")):
        if os.path.exists(file):
            with open(file, encoding="utf-8") as source:
                return ast.parse(source.read())
    return None


def assigned(tree, name):
    """Returns the value of a literal that a module assigns; None: none."""
    for node in tree.body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if any(isinstance(one, ast.Name) and one.id == name for one in targets):
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                return None
    return None


def definition(tree, name):
    for node in tree.body:
        if getattr(node, "name", None) == name:
            return node
    return None


def members(tree):
    """Returns {name: definition} of the public names of a module."""
    found = {}
    lazy = assigned(tree, "_NAMES") or {}
    names = assigned(tree, "__all__")
    for name in [*lazy] if lazy else names or []:
        home = module_of(lazy[name]) if lazy else tree
        node = definition(home, name) if home is not None else None
        node = node or imported(tree, name)
        if node is not None:
            found[name] = node
    if not lazy and names is None:
        found = {node.name: node for node in tree.body
                 if isinstance(node, (ast.FunctionDef, ast.ClassDef))
                 and not node.name.startswith("_")}
    return found


def imported(tree, name):
    """Returns the definition of a name that a module imports from its own."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ebb"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    home = module_of(node.module)
                    return home and definition(home, alias.name)
    return None


def signature(node, name):
    arguments = node.args
    for part in (arguments.args, arguments.posonlyargs):
        if part and part[0].arg in ("self", "cls"):
            part.pop(0)
    text = ast.unparse(arguments)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    whole = f"{name}({text}){returns}".replace("'", '"')
    if len(whole) <= 88:
        return whole
    # An argument a line; commas within brackets do not separate.
    parts, depth, begin = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append(text[begin:at].strip())
            begin = at + 1
    parts.append(text[begin:].strip())
    lines = "".join(f"    {one},\n" for one in parts)
    return f"{name}(\n{lines}){returns}".replace("'", '"')


ARGUMENT = re.compile(r"(\*{0,2}\w+(?:, \w+)*): (.*)")


def prose(docstring):
    """Returns a docstring as Markdown: its arguments become a list."""
    lines, out = textwrap.dedent(docstring).strip().splitlines(), []
    if len(lines) > 1:
        lines = [lines[0], *textwrap.dedent("\n".join(lines[1:])).splitlines()]
    listed = False
    for line in lines:
        found = ARGUMENT.match(line)
        if found and not (out and out[-1] and not listed
                          and not out[-1].endswith((".", ":"))):
            if not listed and out and out[-1]:
                out.append("")
            out.append(f"- `{found[1]}`: {found[2]}")
            listed = True
        elif line.startswith("    ") and listed:
            out[-1] += " " + line.strip()
        elif line.startswith("    "):
            out.append(line)
        else:
            listed = listed and not line
            out.append(line)
    text = "\n".join(out).replace("``", "`")
    return re.sub(r"\n\n(?=- `)", r"\n", text).replace("\n- ", "\n\n- ", 1)


def known(base):
    """Returns whether a reader knows a base class: the page or Python has it."""
    name = base.split("[")[0]
    return name in members(module_of("ebb")) or "." in name or hasattr(typing, name)


def described(name, node, level):
    out = [f"{'#' * level} {name}", ""]
    doc = ast.get_docstring(node, clean=False)
    if isinstance(node, ast.FunctionDef):
        out += ["```python", signature(node, name.split(".")[-1]), "```", ""]
        return out + [prose(doc) if doc else "", ""]
    bases = [ast.unparse(base) for base in node.bases]
    shown = [base for base in bases if known(base)]
    if shown:
        out += [f"It is a `{shown[0]}`.", ""]
    out += [prose(doc) if doc else "", ""]
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign)
              and not one.target.id.startswith("_")
              and "ClassVar" not in ast.unparse(one.annotation)]
    if fields and any("dataclass" in ast.unparse(one)
                      for one in node.decorator_list):
        out += ["Fields: " + ", ".join(f"`{one.target.id}`" for one in fields)
                + ".", ""]
    for method in node.body:
        if not isinstance(method, ast.FunctionDef):
            continue
        if method.name.startswith("_") or not ast.get_docstring(method):
            continue
        shown = f"{name.split('.')[-1]}.{method.name}"
        if any("property" in ast.unparse(one) for one in method.decorator_list):
            returns = ast.unparse(method.returns) if method.returns else ""
            out += [f"**`{shown}`** `{returns}`".replace("'", ""), ""]
        else:
            out += ["```python", signature(method, shown), "```", ""]
        out += [prose(ast.get_docstring(method, clean=False)), ""]
    return out


def page():
    top = module_of("ebb")
    out = [HEAD]
    for name, node in sorted(members(top).items()):
        if isinstance(node, ast.FunctionDef):
            out += described(name, node, 2)
    for name, node in sorted(members(top).items()):
        if isinstance(node, ast.ClassDef):
            out += described(name, node, 2)
    out += ["## Errors and warnings", ""]
    errors = module_of("ebb.errors")
    out += [prose(ast.get_docstring(errors)), "", "| | `code` | |", "|---|---|---|"]
    for node in errors.body:
        if isinstance(node, ast.ClassDef):
            code = assigned(node, "code")
            about = " ".join(ast.get_docstring(node).split("\n\n")[0].split())
            out.append(f"| `{node.name}` | {f'`{code}`' if code else ''} | {about} |")
    out.append("")
    for name in MODULES:
        tree = module_of(f"ebb.{name}")
        if tree is None:
            continue
        out += [f"# ebb.{name}", "", prose(ast.get_docstring(tree, clean=False)), ""]
        for member, node in members(tree).items():
            out += described(f"ebb.{name}.{member}", node, 2)
    text = "\n".join(out)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def main():
    text = page()
    if sys.argv[1:] == ["--check"]:
        try:
            with open(PAGE, encoding="utf-8") as file:
                current = file.read()
        except FileNotFoundError:
            current = ""
        if current != text:
            sys.exit("docs/python-reference.md is not current: run "
                     "python/make_reference.py")
        return
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
