#!/usr/bin/env python3
"""Checks the picture of the house in docs/architecture.md: its rooms are the
top-level folders, and a room includes only rooms of the floors below.

  check_house.py              checks the picture, and HOUSE against the table of
                              layers (check_layers.py)
  check_house.py --picture    prints the picture
  check_house.py --self-test  checks the check, on planted houses

A folder of workloads/ has a room beside that of each side: the two include each
other's headers through workloads/seam.
"""

import pathlib
import sys

from check_layers import LAYERS
from project_files import ROOT, project_files

# From the roof to the ground: the rooms of a floor, each with what it holds, and
# the side of workloads beside them.
HOUSE = [
    ([("tests", "what spans folders"), ("bench", "figures"),
      ("python", "the package"), ("examples", "to copy")], None),
    ([("tools", "the command ebb: in tools/ebb a folder for each part")],
     ("tools", "exports, answers")),
    ([("sim", "all daemons in one process, with faults and a seed")], None),
    ([("scheduler", "owners, leases"), ("server", "values, marks"),
      ("worker", "mathematics")], ("worker", "tasks, batches")),
    ([("sweep", "which trial is next"), ("client", "when to pull and push")],
     ("server", "how rounds end")),
    ([("job", "the job file: keys, checks, defaults, the plan"),
      ("feed", "messages into sets")],
     ("rules", "its defaults, checks")),
    ([("models", "gradients"), ("algorithms", "local steps"),
      ("data", "readers"), ("rpc", "gRPC")], ("model", "its mathematics")),
    ([("protocol", "messages, marks, ledger: structs"), ("optimizer", "steps"),
      ("datasets", "pushed, fetched files")], ("base", "what sides share")),
    ([("common", "leaf code"), ("proto", "the wire, keys"),
      ("include/ebb", "what users include")], None),
]
# Top-level folders without C++.
BESIDE = ["cmake", "deploy", "docs"]
PAGE = "docs/architecture.md"
WIDTH, SIDE = 78, 24  # Columns within the frames.


def places_of(house):
    """Returns (floor from the roof, is a side) by room."""
    places = {}
    for floor, (rooms, side) in enumerate(house):
        places.update({name: (floor, False) for name, _ in rooms})
        if side is not None:
            places[f"workloads/*/{side[0]}"] = (floor, True)
    return places


def room_of(layer, places):
    """Returns the room that holds a layer, or None."""
    return max((room for room in places if (layer + "/").startswith(room + "/")),
               key=len, default=None)


def check_house(house, layers):
    """Returns complaints about rooms that the table of layers contradicts."""
    places = places_of(house)
    complaints = [f"{layer}: it has no room" for layer in layers
                  if room_of(layer, places) is None]
    complaints += [f"{room}: it is no layer, and has a room" for room in places
                   if all(room_of(layer, places) != room for layer in layers)]
    wrong = set()
    for layer, others in layers.items():
        above = room_of(layer, places)
        for below in (room_of(other, places) for other in others):
            if None in (above, below) or above == below:
                continue
            (high, is_side), (low, other_is_side) = places[above], places[below]
            # On the roof everything may be included.
            if low > high or low == high and (is_side != other_is_side or high == 0):
                continue
            wrong.add(f"{above} may include {below}, which is not below it")
    return complaints + sorted(wrong)


def check_folders(paths):
    """Returns complaints about top-level folders that are not in the picture."""
    known = {room.split("/")[0] for room in places_of(HOUSE)} | set(BESIDE)
    there = {path.split("/")[0] for path in paths
             if "/" in path and not path.startswith(".")}
    return [f"{folder}/: HOUSE has no room for it"
            for folder in sorted(there - known)]


def cells(rooms):
    """Returns the columns of the rooms of a floor, which fill WIDTH."""
    least = [max(len(name) + 1, len(holds)) + 2 for name, holds in rooms]
    spare = WIDTH - (len(rooms) - 1) - sum(least)
    return [width + spare // len(rooms) + (place < spare % len(rooms))
            for place, width in enumerate(least)]


def border(left, above, below, right):
    """Returns a line between two floors, with a joint at each wall."""
    walls = [{sum(widths[:i]) + i - 1 for i in range(1, len(widths))}
             for widths in (above, below)]
    joints = {(False, False): "─", (True, False): "┴", (False, True): "┬",
              (True, True): "┼"}
    return left + "".join(joints[i in walls[0], i in walls[1]]
                          for i in range(WIDTH)) + right


def picture():
    """Returns the lines of the picture."""
    floors = [[WIDTH], *[cells(rooms) for rooms, _ in HOUSE], [WIDTH]]
    sides = [None, *[side for _, side in HOUSE], None]
    edges = {(False, False): "", (False, True): "┌┐", (True, False): "└┘",
             (True, True): "├┤"}  # Is there a side above, and below?
    lines = [" " * (WIDTH + 5) + "workloads/NAME/"]
    for place in range(1, len(floors)):
        ends = "┌┐" if place == 1 else "└┘" if place == len(HOUSE) + 1 else "├┤"
        line = border(ends[0], floors[place - 1], floors[place], ends[1])
        edge = edges[sides[place - 1] is not None, sides[place] is not None]
        lines.append(line + ("   " + edge[0] + "─" * SIDE + edge[1] if edge else ""))
        if place > len(HOUSE):
            break
        for row in range(2):
            line = "│"
            for (name, holds), width in zip(HOUSE[place - 1][0], floors[place]):
                line += f" {(name + '/', holds)[row]}".ljust(width) + "│"
            if sides[place] is not None:
                name, holds = sides[place]
                line += "   │" + f" {(name + '/', holds)[row]}".ljust(SIDE) + "│"
            lines.append(line)
    return lines


def self_test():
    layers = {"base": [], "a": ["base"], "a/part": ["base", "a"],
              "workloads/*/a": ["base"], "top": ["a", "a/part", "workloads/*/a"]}
    layers["a"].append("workloads/*/a")
    base, a, top = [("base", "")], [("a", "")], [("top", "")]
    side = ("a", "")
    # A house, and what the complaints must say.
    planted = [
        ([(top, None), (a, side), (base, None)], []),
        ([(top, None), (base, None), (a, side)],
         ["a may include base, which", "workloads/*/a may include base"]),
        ([(top, None), (a + base, side)], ["a may include base, which"]),
        ([(top, None), (a, None), (base, None)], ["workloads/*/a: it has no room"]),
        ([(top, None), (a, side), (base + [("b", "")], None)], ["b: it is no layer"]),
    ]
    failures = []
    for house, expected in planted:
        found = check_house(house, layers)
        if len(found) != len(expected) or not all(
                part in one for part, one in zip(expected, found)):
            failures.append(f"{house}: {found}")
    found = check_folders(["server/a.h", "docs/a.md", "README.md", "novel/a.h"])
    if found != ["novel/: HOUSE has no room for it"]:
        failures.append(f"novel/: {found}")
    return failures


def check(root):
    text = pathlib.Path(root, PAGE).read_text(encoding="utf-8")
    shown = [] if "\n".join(picture()) in text else [
        f"{PAGE}: put the picture of check_house.py --picture there"]
    return shown + check_house(HOUSE, LAYERS) + check_folders(project_files(root))


if __name__ == "__main__":
    if sys.argv[1:] == ["--picture"]:
        print("\n".join(picture()))
        sys.exit(0)
    found = self_test() if sys.argv[1:] == ["--self-test"] else check(ROOT)
    print("\n".join(found) or "house: clean")
    sys.exit(1 if found else 0)
