#!/usr/bin/env python3
"""Compares the default job with scikit-learn's logistic and ridge regression.

`ebb run` trains each table with a job file that names only its model and its
data. scikit-learn trains it with defaults (after StandardScaler, and OneHotEncoder
for text, except for sparse rows). Tables of fewer than 2,000 rows are cross-validated in five
folds, so that one example is less than a point; others have a test part.

  python3 bench/studies/defaults_table.py --bin build/bin --data ../shared/data
  python3 bench/studies/defaults_table.py --only iris,diabetes
  python3 bench/studies/defaults_table.py --write docs/measured/job-defaults.md

It needs numpy and scikit-learn: Debian's python3-sklearn, or `pip install
scikit-learn` in a virtual environment. It prints a table in Markdown, and what
it skipped. It exits with 1 when ebb is more than a point of accuracy, or 0.02
of R2, behind in a table.
"""
import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FOLDS, LEAST_ROWS, TEST_SHARE = 5, 2_000, 0.25
POINT, R2 = 0.01, 0.02
BEGIN, END = "<!-- table: bench/studies/defaults_table.py -->", "<!-- end of table -->"


class Skipped(Exception):
    pass


class Table:
    """Examples in memory; y are the classes 0, 1, ... or numbers."""

    def __init__(self, x, y, numbers=False):
        self.x, self.y, self.numbers = x, y, numbers
        self.sparse = not isinstance(x, np.ndarray)

    @property
    def model(self):
        if self.numbers:
            return "linear"
        return "logistic" if len(set(self.y)) == 2 else "softmax"

    def scaler(self):
        return StandardScaler()

    def parts(self, rng):
        order = rng.permutation(len(self.y))
        if len(self.y) >= LEAST_ROWS:
            cut = int(len(order) * TEST_SHARE)
            return [(order[cut:], order[:cut])]
        return [(np.setdiff1d(order, fold), fold)
                for fold in np.array_split(order, FOLDS)]

    def write(self, rows, path):
        """Writes these rows, and says how a job file names the file."""
        with open(path, "w") as out:
            for row in rows:
                if self.sparse:
                    x = self.x[row]
                    cells = [f"{i + 1}:{v:.9g}" for i, v in zip(x.indices, x.data)]
                    out.write(" ".join([f"{self.y[row]:.9g}"] + cells) + "\n")
                else:
                    cells = [f"{v:.9g}" for v in [*self.x[row], self.y[row]]]
                    out.write(",".join(cells) + "\n")
        if self.sparse:
            return f"{{libsvm: {{path: {path}, features: {self.x.shape[1]}}}}}"
        return f"{{csv: {path}}}"


class TextTable(Table):
    """Columns of numbers first, and then columns of text."""

    def __init__(self, x, y, texts):
        super().__init__(np.array(x, object), y)
        self.texts = texts  # How many columns of text there are.

    def write(self, rows, path):
        with open(path, "w") as out:
            out.write(",".join(f"c{i}" for i in range(self.x.shape[1])) + ",y\n")
            for row in rows:
                out.write(",".join(map(str, [*self.x[row], int(self.y[row])])) + "\n")
        return f"{{csv: {path}}}"

    def scaler(self):
        first = self.x.shape[1] - self.texts
        return make_column_transformer(
            (StandardScaler(), slice(0, first)),
            (OneHotEncoder(handle_unknown="ignore"), slice(first, None)))


# --- Files of others ---------------------------------------------------------

def existing(args, name):
    path = os.path.join(args.data, name)
    if not os.path.exists(path):
        raise Skipped(f"there is no {path}")
    return path


def csv(args, name, numbers=False):
    rows = np.loadtxt(existing(args, name), delimiter=",", skiprows=1)
    return Table(rows[:, :-1], rows[:, -1], numbers)


def libsvm(args, *names):
    """Returns training and test rows together."""
    paths = [existing(args, name) for name in names]
    both = load_svmlight_file(paths[0])
    if len(paths) > 1:
        from scipy.sparse import vstack
        width = max(load_svmlight_file(path)[0].shape[1] for path in paths)
        loaded = [load_svmlight_file(path, n_features=width) for path in paths]
        both = (vstack([x for x, _ in loaded]).tocsr(),
                np.concatenate([y for _, y in loaded]))
    return Table(both[0].tocsr(), both[1])


def higgs(args):
    rows = np.loadtxt(existing(args, "higgs-sample/higgs-sample.train.tsv"))
    return Table(rows[:, 1:], rows[:, 0])


def fashion(args):
    def idx(name, head):
        with gzip.open(existing(args, "fashion-mnist/" + name)) as file:
            return np.frombuffer(file.read(), np.uint8, offset=head)
    pixels = idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784)
    labels = idx("t10k-labels-idx1-ubyte.gz", 8)
    return Table(pixels[:5000].astype(float), labels[:5000].astype(float))


# --- Made by `ebb generate` --------------------------------------------------

def generated(args, *flags):
    with tempfile.TemporaryDirectory(prefix="ebb_defaults_") as folder:
        subprocess.run([args.ebb, "generate", flags[0], folder + "/g", *flags[1:],
                        "--rows", "4000"], check=True, capture_output=True)
        names = sorted(os.listdir(folder))
        train = next(n for n in names if ".train." in n)
        path = os.path.join(folder, train)
        if train.endswith(".libsvm"):
            x, y = load_svmlight_file(path)
            return Table(x.tocsr(), y)
        rows = np.loadtxt(path, delimiter=",", skiprows=1)
        numbers = flags[0] == "linear" and "--logistic" not in flags
        return Table(rows[:, :-1], rows[:, -1], numbers)


def passengers(_):
    """Class, age and sex decide; hardly anyone shares a ticket or a cabin."""
    rng = np.random.default_rng(4)
    rows, outcomes = [], []
    for _ in range(890):
        cls, male = rng.choice([1, 2, 3, 3]), rng.random() < 0.65
        age = max(1, round(rng.normal(30, 14)))
        odds = 2.2 - 1.1 * (cls - 1) - 2.6 * male - 0.03 * (age - 30)
        rows.append([cls, age, "male" if male else "female",
                     f"A{rng.integers(700)}",
                     "" if rng.random() < 0.7 else f"C{rng.integers(150)}",
                     rng.choice(["S", "S", "S", "C", "Q"])])
        outcomes.append(float(rng.random() < 1 / (1 + np.exp(-odds))))
    return TextTable(rows, np.array(outcomes), texts=4)


# --- Made from published statistics ------------------------------------------

def normal(rows, means, deviations, correlations, decimals=3):
    """Returns rows with just these means, deviations and correlations, the last
    column being what is to be predicted."""
    rng = np.random.default_rng(7)
    size = len(means)
    corr = np.eye(size)
    corr[np.triu_indices(size, 1)] = correlations
    corr = corr + corr.T - np.eye(size)
    z = rng.standard_normal((rows, size))
    z -= z.mean(axis=0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T, bias=True))).T
    z = z @ np.linalg.cholesky(corr).T
    table = np.round(z * np.array(deviations) + np.array(means), decimals)
    return Table(table[:, :-1], table[:, -1], numbers=True)


def counted(cells):
    """Rows of (features, how many of class 0, how many of class 1)."""
    x, y = [], []
    for features, no, yes in cells:
        x += [features] * (no + yes)
        y += [0] * no + [1] * yes
    return Table(np.array(x, float), np.array(y, float))


def titanic(_):
    # Passenger class 1 to 3 and 4 for the crew, sex, child; died, survived.
    return counted([
        ((1, 0, 1), 0, 5), ((1, 0, 0), 118, 57), ((1, 1, 1), 0, 1),
        ((1, 1, 0), 4, 140), ((2, 0, 1), 0, 11), ((2, 0, 0), 154, 14),
        ((2, 1, 1), 0, 13), ((2, 1, 0), 13, 80), ((3, 0, 1), 35, 13),
        ((3, 0, 0), 387, 75), ((3, 1, 1), 17, 14), ((3, 1, 0), 89, 76),
        ((4, 0, 0), 670, 192), ((4, 1, 0), 3, 20)])


def berkeley(_):
    # Department and sex; rejected, admitted.
    men = [(313, 512), (207, 353), (205, 120), (279, 138), (138, 53), (351, 22)]
    women = [(19, 89), (8, 17), (391, 202), (244, 131), (299, 94), (317, 24)]
    cells = []
    for sex, counts in enumerate([men, women]):
        for department, (no, yes) in enumerate(counts):
            one_hot = [float(department == d) for d in range(6)]
            cells.append(((*one_hot, sex), no, yes))
    return counted(cells)


def anscombe(_):
    x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5]
    y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]
    return Table(np.array(x, float)[:, None], np.array(y), numbers=True)


def galton(_):  # Mid-parent's and child's height, inches.
    return normal(928, [68.31, 68.09], [1.79, 2.52], [0.459], 1)


def faithful(_):  # Waiting time and eruption, minutes.
    return normal(272, [70.9, 3.488], [13.59, 1.141], [0.901])


def cars(_):  # Weight, power and miles per gallon of 32 cars.
    return normal(32, [3.217, 146.7, 20.09], [0.978, 68.6, 6.03],
                  [0.659, -0.868, -0.776])


def houses(_):  # Quality, area, garage places, year built and price in Ames.
    return normal(1460, [6.10, 1515, 1.77, 1971, 180_921],
                  [1.38, 525, 0.75, 30.2, 79_443],
                  [0.59, 0.60, 0.57, 0.79, 0.47, 0.20, 0.71, 0.54, 0.64, 0.52], 0)


TABLES = {
    "iris": lambda a: csv(a, "sklearn/iris.csv"),
    "wine": lambda a: csv(a, "sklearn/wine.csv"),
    "breast_cancer": lambda a: csv(a, "sklearn/breast_cancer.csv"),
    "digits": lambda a: csv(a, "sklearn/digits.csv"),
    "diabetes": lambda a: csv(a, "sklearn/diabetes.csv", numbers=True),
    "agaricus": lambda a: libsvm(a, "agaricus/agaricus.txt.train"),
    "a9a": lambda a: libsvm(a, "a9a/a9a"),
    "rcv1-small": lambda a: libsvm(a, "rcv1-small/rcv1-small.train.libsvm",
                                   "rcv1-small/rcv1-small.test.libsvm"),
    "higgs-sample": higgs,
    "fashion-mnist (5,000)": fashion,
    "clusters (generated)": lambda a: generated(a, "clusters"),
    "linear (generated)": lambda a: generated(a, "linear"),
    "logistic (generated)": lambda a: generated(a, "linear", "--logistic"),
    "sparse logistic (generated)": lambda a: generated(
        a, "linear", "--logistic", "--format", "libsvm", "--features", "100",
        "--density", "0.1"),
    "clicks (generated)": lambda a: generated(a, "clicks", "--format", "libsvm"),
    "passengers with rare texts (generated)": passengers,
    "titanic": titanic,
    "berkeley admissions": berkeley,
    "anscombe": anscombe,
    "galton": galton,
    "old faithful": faithful,
    "cars": cars,
    "house prices": houses,
}


# --- Both sides --------------------------------------------------------------

def of_ebb(args, table, train, test, folder):
    """Returns mean loss and accuracy (None for numbers) over the test rows."""
    job = os.path.join(folder, "job.yaml")
    report = os.path.join(folder, "report.json")
    with open(job, "w") as out:
        out.write(f"name: table\nmodel: {table.model}\ndata:\n"
                  f"  train: {table.write(train, folder + '/train')}\n"
                  f"  test: {table.write(test, folder + '/test')}\n")
    done = subprocess.run([args.ebb, "run", job, "--quiet", "--report", report,
                           "--run-dir", folder + "/run"],
                          capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise RuntimeError(f"ebb run failed: {done.stderr}")
    with open(report) as file:
        said = json.load(file)
    return said["loss"], said["accuracy"]


def of_sklearn(table, train, test):
    """Returns predictions for the test rows."""
    model = Ridge() if table.numbers else LogisticRegression(max_iter=5000)
    if not table.sparse:
        model = make_pipeline(table.scaler(), model)
    return model.fit(table.x[train], table.y[train]).predict(table.x[test])


def compare(args, table):
    """Returns accuracy or R2 of ebb and of scikit-learn."""
    ours = theirs = tested = 0
    for train, test in table.parts(np.random.default_rng(1)):
        with tempfile.TemporaryDirectory(prefix="ebb_defaults_") as folder:
            loss, accuracy = of_ebb(args, table, train, test, folder)
        truth = table.y[test]
        predicted = of_sklearn(table, train, test)
        if table.numbers:
            ours += 2 * loss * len(test)
            theirs += ((predicted - truth) ** 2).sum()
        else:
            ours += accuracy * len(test)
            theirs += (predicted == truth).sum()
        tested = np.append(tested, test) if np.ndim(tested) else test
    if not table.numbers:
        return ours / len(tested), theirs / len(tested)
    truth = table.y[tested]
    spread = ((truth - truth.mean()) ** 2).sum()
    return 1 - ours / spread, 1 - theirs / spread


def row_of(args, name, table):
    ours, theirs = compare(args, table)
    what, most = ("R²", R2) if table.numbers else ("accuracy", POINT)
    good = ours >= theirs - most
    tried = "5 folds" if len(table.y) < LEAST_ROWS else "a quarter"
    return good, (f"| {name} | {len(table.y):,} × {table.x.shape[1]:,} | "
                  f"`{table.model}` | {tried} | {what} | {ours:.3f} | "
                  f"{theirs:.3f} | {'yes' if good else '**no**'} |")


def insert(path, text):
    with open(path) as file:
        page = file.read()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    with open(path, "w") as file:
        file.write(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default="build/bin", help="ebb's programs")
    parser.add_argument("--data", default="../shared/data",
                        help="folder of public tables")
    parser.add_argument("--only", help="tables, with commas between them")
    parser.add_argument("--write", help="page whose table becomes this one")
    args = parser.parse_args()
    args.ebb = os.path.abspath(os.path.join(args.bin, "ebb"))
    args.data = os.path.abspath(args.data)
    wanted = args.only.split(",") if args.only else list(TABLES)
    unknown = set(wanted) - set(TABLES)
    if unknown:
        parser.error(f"no such table: {', '.join(sorted(unknown))}; there are "
                     f"{', '.join(TABLES)}")
    lines = ["| table | rows × features | model | tried on | | ebb | scikit-learn "
             "| within |", "|---|---|---|---|---|---|---|---|"]
    skipped, behind = [], []
    print("\n".join(lines), flush=True)
    for name in wanted:
        try:
            good, line = row_of(args, name, TABLES[name](args))
        except Skipped as why:
            skipped.append(f"{name}: {why}")
            continue
        lines.append(line)
        print(line, flush=True)
        if not good:
            behind.append(name)
    for line in skipped:
        print(f"skipped {line}")
    if args.write:
        insert(args.write, "\n".join(lines + [""] + [
            f"Skipped: {line}" for line in skipped]).rstrip())
    print(f"{len(lines) - 2} tables, {len(behind)} behind"
          + (": " + ", ".join(behind) if behind else ""))
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
