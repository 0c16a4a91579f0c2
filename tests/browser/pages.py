#!/usr/bin/env python3
"""Looks at the pages of runs in a browser, without a screen: each card holds all
that is in it, and the texts of charts can be read.

  pages.py BIN_FOLDER [--keep FOLDER] [KIND...]

It trains a small job of each kind with the programs in BIN_FOLDER, and opens
report.html at several widths in Chromium (Debian's package chromium). A script
takes this Python, which needs NumPy, or EBB_PYTHON. Exits 1 if a page is wrong,
and 77 if there is no Chromium. EBB_BROWSER names another one.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

WIDTHS = (1100, 1300, 1600)
LEAST_TEXT = 10  # Pixels.
LIMIT_S = 120
NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal",
         "Shirt", "Sneaker", "Bag", "Ankle boot (high)"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# The page tells of itself by this, in place of its content.
LOOK = """
<script>
addEventListener('load', () => {
  const wrong = [];
  const name = (one) => one.tagName + ' "' +
      (one.textContent || '').trim().replace(/\\s+/g, ' ').slice(0, 60) + '"';
  const tell = (one, what) => { wrong.push(name(one) + ' ' + what); };
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width + 1)
    wrong.push('the page is ' + document.documentElement.scrollWidth + ' wide');
  for (const card of document.querySelectorAll('.card, body')) {
    const box = card.getBoundingClientRect();
    for (const one of card.querySelectorAll('*')) {
      const own = one.getBoundingClientRect();
      const scroll = one.parentElement.closest('.scroll');
      if (own.width === 0 || scroll) continue;
      if (own.right > box.right + 1 || own.left < box.left - 1)
        tell(one, 'ends ' + Math.round(own.right - box.right) +
                  ' px outside of its card');
    }
  }
  for (const one of document.querySelectorAll('.scroll'))
    if (one.scrollWidth > one.clientWidth + 1 && !MAY_SCROLL)
      tell(one, 'needs ' + one.scrollWidth + ' px and has ' + one.clientWidth);
  let texts = 0;
  for (const one of document.querySelectorAll('svg text')) {
    ++texts;
    const svg = one.ownerSVGElement;
    const size = parseFloat(getComputedStyle(one).fontSize) *
                 svg.getScreenCTM().a;
    if (size < LEAST_TEXT) tell(one, 'is ' + size.toFixed(1) + ' px high');
    const own = one.getBoundingClientRect(), all = svg.getBoundingClientRect();
    if (own.right > all.right + 1 || own.left < all.left - 1)
      tell(one, 'is cut off by its chart');
  }
  const said = {wrong: wrong.slice(0, 20), texts: texts,
                cards: document.querySelectorAll('.card').length};
  document.body.textContent = '@@' + JSON.stringify(said) + '@@';
});
</script>
"""

# A worker of its own computes, so that the script needs no PyTorch.
SCRIPT = """
import os, subprocess
import ebb
from ebb import programs

data = {"train": {"csv": os.path.abspath("table.csv")}, "split": 0.25}
job = ebb.connect().submit({"name": "lines", "model": "logistic", "data": data,
                            "train": {"epochs": 5}}, request_id="once")
worker = subprocess.Popen([programs.path_of("ebb-worker"), "--die-with-parent",
                           str(os.getpid()), "--batch-time", "5ms"])
try:
    job.wait()
finally:
    worker.terminate()
    worker.wait()
"""


class Look:
    def __init__(self, browser, folder):
        self.browser, self.folder = browser, folder

    def at(self, page, width, may_scroll):
        """Returns what the page says of itself at this width."""
        with open(page, encoding="utf-8") as file:
            text = file.read()
        script = LOOK.replace("MAY_SCROLL", "true" if may_scroll else "false")
        script = script.replace("LEAST_TEXT", str(LEAST_TEXT))
        copy = os.path.join(self.folder, "looked_at.html")
        with open(copy, "w", encoding="utf-8") as file:
            file.write(text.replace("</body>", script + "</body>"))
        said = self.run(f"--window-size={width},3000", "--dump-dom",
                        "--virtual-time-budget=5000", "file://" + copy)
        found = re.search("@@(.*)@@", said, re.DOTALL)
        if found is None:
            raise RuntimeError(f"{self.browser} said nothing of {page}: {said[-500:]}")
        return json.loads(found.group(1).replace("&amp;", "&")
                          .replace("&lt;", "<").replace("&gt;", ">"))

    def picture(self, page, width, path):
        self.run(f"--window-size={width},3000", f"--screenshot={path}",
                 "--hide-scrollbars", "file://" + page)

    def run(self, *arguments):
        done = subprocess.run(
            [self.browser, "--headless", "--no-sandbox", "--disable-gpu",
             f"--user-data-dir={self.folder}/browser", *arguments],
            capture_output=True, text=True, timeout=LIMIT_S)
        return done.stdout


class Jobs:
    """A small job of each kind, in a folder of its own."""

    def __init__(self, binaries, folder):
        self.ebb = os.path.join(os.path.abspath(binaries), "ebb")
        self.folder = folder

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as out:
            out.write(text)

    def call(self, *arguments):
        environment = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "python"),
                           EBB_BIN=os.path.dirname(self.ebb))
        environment.setdefault("EBB_PYTHON", sys.executable)
        done = subprocess.run([self.ebb, *arguments], cwd=self.folder,
                              env=environment, capture_output=True, text=True,
                              timeout=LIMIT_S)
        if done.returncode != 0:
            raise RuntimeError(f"ebb {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def run(self, text, *arguments):
        self.write("job.yaml", text)
        self.call("run", "job.yaml", "--servers", "2", "--workers", "2",
                  "--run-dir", "run", *arguments)
        return os.path.join(self.folder, "run/report.html")

    def table(self, classes, rows=600, features=6):
        rng = random.Random(1)
        lines = [",".join([f"feature number {f}" for f in range(features)] + ["y"])]
        for row in range(rows):
            label = row % max(classes, 2)
            x = [rng.gauss(label % (f + 2), 1) for f in range(features)]
            y = NAMES[label] if classes else f"{sum(x) * 1000:.1f}"
            lines.append(",".join([f"{v:.3f}" for v in x] + [y]))
        self.write("table.csv", "\n".join(lines) + "\n")
        return "data: {train: {csv: table.csv}, split: 0.25}\n"

    # --- The kinds -------------------------------------------------------------

    def ten_classes(self):
        return self.run("name: a-run-with-a-long-name-" + "x" * 40 + "\n"
                        "model: softmax\n" + self.table(10), "--kill-every", "1")

    def two_classes(self):
        return self.run("model: logistic\n" + self.table(2))

    def numbers(self):
        return self.run("model: linear\n" + self.table(0))

    def kmeans(self):
        return self.run("model: {kind: kmeans, clusters: 5, restarts: 3}\n"
                        + self.table(5))

    def forest(self):
        return self.run("model: {kind: forest, trees: 20}\n" + self.table(10))

    def boosted(self):
        return self.run("model: {kind: boosted_trees, trees: 10, patience: 5}\n"
                        + self.table(3))

    def lda(self):
        self.call("generate", "documents", "d", "--rows", "300")
        bags = next(n for n in os.listdir(self.folder) if n.startswith("d.train"))
        return self.run("model: {kind: lda, topics: 4}\ntrain: {epochs: 5}\n"
                        f"data: {{train: {{bags: {bags}}}, split: 0.2}}\n")

    def word_vectors(self):
        rng = random.Random(2)
        words = [f"word{i}" for i in range(50)]
        self.write("text.txt", "\n\n".join(
            " ".join(rng.choices(words, k=40)) for _ in range(100)))
        return self.run("model: {kind: word_vectors, dim: 8}\n"
                        "train: {epochs: 2}\ndata: {train: {text: text.txt}}\n")

    def ratings(self):
        self.call("generate", "ratings", "r", "--users", "60", "--items", "50",
                  "--rows", "2000")
        train = next(n for n in os.listdir(self.folder) if n.startswith("r.train"))
        return self.run("model: matrix_factorisation\ntrain: {epochs: 3}\n"
                        f"data: {{train: {{ratings: {train}}}, split: 0.2}}\n")

    def sweep(self):
        data = self.table(2)
        self.write("sweep.yaml", "model: logistic\ntrain: {epochs: 4}\n" + data
                   + "sweep:\n  method: random\n  budget: {trials: 4}\n"
                   "  metric: loss\n  space:\n"
                   "    optimizer.rate: {log: [0.001, 0.1]}\n"
                   "    model.l2: [0, 0.001, 0.1]\n    train.batch: [8, 16]\n"
                   "    optimizer.kind: [adam, sgd, momentum, adagrad]\n"
                   "    seed: [1, 2, 3]\n    optimizer.ema: [0.9, 0.99]\n")
        self.call("sweep", "sweep.yaml", "--run-dir", "run", "--workers", "2")
        return os.path.join(self.folder, "run/sweep.html")

    def script(self):
        self.table(2)
        self.write("a_script_with_a_long_name_of_many_words.py", SCRIPT)
        self.call("run", "a_script_with_a_long_name_of_many_words.py",
                  "--workers", "2", "--run-dir", "run")
        return os.path.join(self.folder, "run/report.html")


KINDS = ("ten_classes", "two_classes", "numbers", "kmeans", "forest", "boosted",
         "lda", "word_vectors", "ratings", "sweep", "script")


def look_at(kind, args, browser):
    """Trains the job, and returns how many of its pages are wrong."""
    folder = tempfile.mkdtemp(prefix="ebb_pages_")
    bad = 0
    try:
        page = getattr(Jobs(args.binaries, folder), kind)()
        look = Look(browser, folder)
        for width in WIDTHS:
            said = look.at(page, width, may_scroll=kind == "sweep")
            print(f"{kind} at {width}: {said['cards']} cards, {said['texts']} texts "
                  + ("good" if not said["wrong"] else "WRONG"), flush=True)
            for one in said["wrong"]:
                print("  " + one)
            bad += bool(said["wrong"])
            if args.keep:
                look.picture(page, width,
                             os.path.join(args.keep, f"{kind}-{width}.png"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("binaries", help="folder of ebb's programs")
    parser.add_argument("--keep", help="folder for a picture of each page")
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="KIND",
                        help=", ".join(KINDS))
    args = parser.parse_intermixed_args()
    browser = shutil.which(os.environ.get("EBB_BROWSER", "chromium"))
    if browser is None:
        print("there is no Chromium: apt install chromium")
        return 77
    unknown = set(args.kinds) - set(KINDS)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    if args.keep:
        args.keep = os.path.abspath(args.keep)
        os.makedirs(args.keep, exist_ok=True)
    bad = sum(look_at(kind, args, browser) for kind in args.kinds)
    print(f"{bad} pages are wrong" if bad else "all pages are good")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
