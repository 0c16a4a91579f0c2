#!/usr/bin/env python3
"""Tests that what `ebb checkpoint export` writes is enough to predict with:
the code of docs/export.md, taken from that page, computes what `ebb predict`
says.

  export_test.py BIN_FOLDER SOURCE_FOLDER
"""
import csv
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import xxhash

BIN = os.path.abspath(sys.argv.pop(1))
SOURCE = os.path.abspath(sys.argv.pop(1))
LIMIT_S = 120


def code_of_the_page():
    """The definitions of all Python blocks of docs/export.md."""
    with open(os.path.join(SOURCE, "docs/export.md")) as file:
        blocks = re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL)
    names = {}
    for block in blocks:
        exec(block, names)
    return names


PAGE = code_of_the_page()


def margins(outputs):
    """How much more likely the first class of each row is than the second."""
    if outputs.shape[1] == 1:
        return np.abs(2 * outputs[:, 0] - 1)
    shares = np.sort(outputs, axis=1)
    return shares[:, -1] - shares[:, -2]


def read_idx(path):
    with open(path, "rb") as file:
        data = file.read()
    sizes = np.frombuffer(data[4:4 + 4 * data[3]], ">u4")
    values = np.frombuffer(data[4 + 4 * data[3]:], np.uint8)
    return values.reshape(sizes[0], -1).astype(float)


class ExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="ebb_export_test_")
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def ebb(cls, *arguments, rc=0):
        ran = subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                             cwd=cls.folder, text=True, timeout=LIMIT_S,
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = ran.stdout + ran.stderr
        assert ran.returncode == rc, (arguments, said)
        # Predictions without the warnings.
        return said if rc or arguments[0] != "predict" else ran.stdout

    def train(self, name, model, data, rest="train: {epochs: 2, batch: 20}"):
        with open(self.path(name + ".yaml"), "w") as file:
            file.write(f"name: {name}\nmodel: {model}\ndata: {data}\n{rest}\n")
        self.ebb("run", name + ".yaml", "--workers", "1", "--run-dir", name)

    def predictions(self, name, data, *flags):
        """Returns what ebb predict says: the first column, and the others."""
        said = self.ebb("predict", name, data, *flags)
        rows = list(csv.reader(said.splitlines()))[1:]
        return ([row[0] for row in rows],
                np.array([row[1:] for row in rows], dtype=float))

    def exported(self, name, *flags):
        """The model as each of the two formats has it."""
        out = f"{name}-{len(flags)}"
        self.ebb("checkpoint", "export", name, "-o", out + "/", "--force",
                 *flags)
        self.ebb("checkpoint", "export", name, "-o", out + ".safetensors",
                 "--force", *flags)
        folder = PAGE["load"](self.path(out))
        file = PAGE["load_safetensors"](self.path(out + ".safetensors"))
        self.assertEqual({key: value for key, value in folder[0].items()
                          if key != "files"}, file[0])
        self.assertEqual(folder[1].keys(), file[1].keys())
        for tensor, values in folder[1].items():
            self.assertEqual(values.dtype, file[1][tensor].dtype)
            self.assertTrue((values == file[1][tensor]).all(), tensor)
        return folder

    def compare(self, name, x, data, *flags):
        """Of a model of features, whose data file has the numbers x."""
        first, shares = self.predictions(name, data, *flags)
        self.assertEqual(len(first), len(x))
        origin = False
        for fold in ((), ("--fold",)):
            model, tensors = self.exported(name, *fold)
            # Folded, a number is a float32 before its origin is subtracted.
            near = 2e-4 if fold and origin else 1e-6
            origin = "origin" in model["features"]
            self.assertEqual(model["format"],
                             2 if "origin" in model["features"] else 1)
            self.assertEqual(model["layout"], "(in, out)")
            self.assertEqual(model["features"]["count"], x.shape[1])
            for layer in model["layers"]:
                self.assertEqual(list(tensors[layer["weights"]].shape),
                                 layer["shape"])
                self.assertEqual(tensors[layer["bias"]].shape,
                                 (layer["shape"][1],))
            self.assertEqual(model.get("folded", False), bool(fold))
            if fold:
                self.assertEqual(
                    [model["features"][key]
                     for key in ("scale", "mean", "deviation")],
                    [1, None, None])
            outputs = PAGE["predict"](model, tensors, x)
            if model["labels"]["kind"] == "values":
                expected = np.array(first, dtype=float)[:, None]
            elif outputs.shape[1] == 1:
                expected = shares[:, 1:]
            else:
                expected = shares
            self.assertEqual(outputs.shape, expected.shape)
            self.assertGreater(np.ptp(expected), 0.01, "it has learned")
            off = np.abs(outputs - expected).max()
            self.assertLessEqual(off, near * max(1, np.abs(expected).max()),
                                 (name, fold))
            if model["labels"]["kind"] == "classes":
                # What is as likely as something else may round either way.
                sure = margins(outputs) > 2 * near
                self.assertGreater(sure.mean(), 0.9)
                labels = [str(label) for label in PAGE["labels"](model, outputs)]
                self.assertEqual(list(np.array(labels)[sure]),
                                 list(np.array(first)[sure]))
        return model, tensors

    def table(self, name, label, missing=True):
        """A file of 200 rows with its numbers, NaN where one is missing."""
        draw = random.Random(7)
        numbers = []
        with open(self.path(name), "w") as file:
            file.write("year,id,label,size,\"of, one\"\n")
            for row in range(200):
                year, size = 2000 + draw.gauss(0, 0.5), draw.gauss(-3, 40)
                value = label(year - 2000, size / 40, draw)
                numbers.append([year, size, 5])
                if missing and row % 7 == 0:
                    numbers[-1][row // 7 % 2] = np.nan
                fields = ["" if np.isnan(n) else repr(n) for n in numbers[-1]]
                file.write(f"{fields[0]},{row},{value},{fields[1]},5\n")
        return np.array(numbers)

    DATA = ("{{train: {{csv: {{path: {0}, label: label, ignore: [id], "
            "missing: {1}}}{2}}}, standardise: {3}}}")

    def test_linear(self):
        x = self.table("linear.csv", lambda a, b, draw: 300 * a - 200 * b + 70)
        self.train("linear", "linear", self.DATA.format(
            "linear.csv", "mean", ", scale: 0.5", "true"),
            "train: {epochs: 60, batch: 20}\noptimizer: {kind: sgd, rate: 0.1}")
        model, tensors = self.compare("linear", x, "linear.csv", "--labelled")
        self.assertEqual(model["features"]["names"],
                         ["year", "size", "of, one"])
        # Folded, the labels' mean and deviation are in the last layer.
        self.assertEqual(model["labels"], {"name": "label", "kind": "values",
                                           "mean": 0, "deviation": 1})
        plain, _ = self.exported("linear")
        self.assertGreater(plain["labels"]["deviation"], 50)
        # It is in units of the data, as `mean` says.
        self.assertAlmostEqual(model["features"]["missing"][0],
                               np.nanmean(x[:, 0]), 4)
        self.assertEqual(tensors["weights"][2], 0)  # Of the constant feature.

    def test_linear_without_standardisation(self):
        x = self.table("plain.csv", lambda a, b, draw: 3 * a - 2 * b + 7)
        x[:, 0] = np.where(np.isnan(x[:, 0]), 2000.5, x[:, 0]) - 2000
        with open(self.path("small.csv"), "w") as file:
            file.write("a,b,c,label\n")
            for row in x:
                fields = ["NA" if np.isnan(n) else repr(n) for n in row]
                file.write(",".join(fields) + f",{row[0] * 3}\n")
        self.train("plain", "linear", "{train: {csv: {path: small.csv, "
                   "missing: \"-4\"}, scale: 0.01}, standardise: false}")
        self.compare("plain", x, "small.csv", "--labelled")

    def test_logistic(self):
        x = self.table("two.csv", lambda a, b, draw: 4 if a - b +
                       draw.gauss(0, 0.3) > 0 else -1)
        self.train("two", "logistic", self.DATA.format(
            "two.csv", "mean", "", "true"))
        model, _ = self.compare("two", x, "two.csv", "--labelled")
        self.assertEqual(model["labels"]["classes"], [-1, 4])
        self.assertEqual(model["output"], "probability of the second class")

    def test_logistic_of_sparse_rows(self):
        draw = random.Random(3)
        x = np.zeros((200, 6))
        with open(self.path("rows.libsvm"), "w") as file:
            for row in x:
                for j in draw.sample(range(6), 3):
                    row[j] = draw.gauss(0, 2)
                entries = " ".join(f"{j + 1}:{float(row[j])!r}" for j in range(6)
                                   if row[j])
                file.write(f"{int(row.sum() > 0)} {entries}\n")
        self.train("rows", "logistic",
                   "{train: {libsvm: rows.libsvm, scale: 3}}")
        model, _ = self.compare("rows", x, "rows.libsvm", "--labelled")
        self.assertEqual(model["features"]["first_index"], 1)

    def test_softmax_of_images(self):
        self.ebb("generate", "images", "tiny", "--rows", "400", "--test-rows",
                 "50", "--classes", "3")
        x = read_idx(self.path("tiny.test-images-idx3-ubyte"))
        for name, more in (("scaled", "scale: 1/255}"),
                           ("standard", "scale: 1/255}, standardise: true")):
            self.train(name, "softmax", "{train: {idx: tiny.train, " + more
                       + "}")
            self.compare(name, x, "tiny.test-images-idx3-ubyte")

    def test_perceptrons(self):
        x = self.table("three.csv", lambda a, b, draw: 10 * int(
            abs(a) > 0.3) + int(b > 0))
        for name, activation in (("rect", "relu"), ("tangent", "tanh"),
                                 ("logist", "sigmoid")):
            self.train(name, "{kind: mlp, layers: [3, 8, 5, 4], activation: "
                       f"{activation}}}", self.DATA.format(
                           "three.csv", "mean", "", "true"))
            model, _ = self.compare(name, x, "three.csv", "--labelled")
            self.assertEqual([layer["function"] for layer in model["layers"]],
                             [activation, activation, "softmax"])
            self.assertEqual(model["labels"]["classes"], [0, 1, 10, 11])

    def test_a_perceptron_for_values_and_one_for_two_classes(self):
        x = self.table("value.csv", lambda a, b, draw: a * b + 0.5)
        self.train("value", "{kind: mlp, layers: [3, 4, 1]}", self.DATA.format(
            "value.csv", "mean", "", "true"))
        model, _ = self.compare("value", x, "value.csv", "--labelled")
        self.assertEqual(model["layers"][-1]["function"], "identity")
        x = self.table("pair.csv", lambda a, b, draw: int(a * b > 0))
        self.train("pair", "{kind: mlp, layers: [3, 4, 1]}", self.DATA.format(
            "pair.csv", "mean", "", "true"))
        model, _ = self.compare("pair", x, "pair.csv", "--labelled")
        self.assertEqual(model["layers"][-1]["function"], "sigmoid")

    def test_columns_of_text(self):
        draw = random.Random(11)
        streets = [f"{i} street" for i in range(40)]
        rows = []
        for i in range(300):
            row = {"age": draw.choice(["", "17", "30.5", "64"]),
                   "sex": draw.choice(["female", "male"]),
                   "class, or so": draw.choice(["1st", "2nd", "crew", ""]),
                   "street": draw.choice(streets),
                   "paid": draw.choice(["yes", "no"]),
                   "when": f"2021-{draw.randint(1, 12):02}-"
                           f"{draw.randint(1, 28):02}"}
            row["fate"] = ("saved" if row["sex"] == "female" or
                           row["class, or so"] == "1st" else "lost")
            rows.append(row)
        with open(self.path("ship.csv"), "w", newline="") as file:
            out = csv.DictWriter(file, rows[0].keys())
            out.writeheader()
            out.writerows(rows)
        for parts in ("number", "parts"):
            name = "ship-" + parts
            self.train(name, "softmax", "{train: {csv: {path: ship.csv, "
                       "missing: mean, dates: [when]" +
                       (", date_features: parts" if parts == "parts" else "") +
                       "}, scale: 0.5}, standardise: true}")
            model, _ = self.exported(name)
            x = np.array([PAGE["numbers_of"](model, row) for row in rows])
            self.assertEqual(len(model["features"]["names"]), x.shape[1])
            model, _ = self.compare(name, x, "ship.csv", "--labelled")
            self.assertEqual(model["labels"]["classes"], ["lost", "saved"])
            kinds = {column["name"]: column["kind"]
                     for column in model["features"]["columns"]}
            self.assertEqual(kinds, {
                "age": "number", "sex": "one_hot", "class, or so": "one_hot",
                "street": "hashed", "paid": "boolean",
                "when": "date" if parts == "number" else "date_parts"})

    def test_a_packed_table_whose_texts_are_scaled_too(self):
        """Bug: the model said that only numbers are, as in the table."""
        draw = random.Random(17)
        rows = [{"age": str(draw.randint(1, 80)),
                 "sex": draw.choice(["female", "male"]),
                 "street": draw.choice(["a", "b", "c"]),
                 "when": f"2021-{draw.randint(1, 12):02}-01"}
                for _ in range(300)]
        for row in rows:
            row["fate"] = ("saved" if row["sex"] == "female" or
                           int(row["age"]) < 15 else "lost")
        with open(self.path("boat.csv"), "w", newline="") as file:
            out = csv.DictWriter(file, rows[0].keys())
            out.writeheader()
            out.writerows(rows)
        with open(self.path("boat-source.yaml"), "w") as file:
            file.write("model: softmax\ndata: {train: {csv: {path: boat.csv, "
                       "dates: [when]}}}\n")
        self.ebb("data", "pack", "boat-source.yaml", "boat.packed")
        self.train("boat", "softmax", "{train: {packed: boat.packed/train, "
                   "scale: 1/64}, standardise: true}",
                   "train: {epochs: 2, batch: 20, item_examples: 20}")
        _, shares = self.predictions("boat", "boat.packed/train", "--labelled")
        # The set has another order.
        expected = np.sort(shares[:, 0])
        self.assertGreater(np.ptp(expected), 0.01, "it has learned")
        for fold in ((), ("--fold",)):
            model, tensors = self.exported("boat", *fold)
            x = np.array([PAGE["numbers_of"](model, row) for row in rows])
            outputs = PAGE["predict"](model, tensors, x)
            off = np.abs(np.sort(outputs[:, 0]) - expected).max()
            self.assertLessEqual(off, 2e-4, fold)

    # Any of them raised an error, or was read as another value.
    WHEN = ["2021-03-04", "2021/3/14 15:04", "24.12.2020", "20210304",
            "2021-03-04T05:06:07.5+01:00", "2021-03-04 23:59:59 -0230",
            "1614816000", "1614816000123", "3/4/2021 3:04 PM",
            "13-04-2021 12:30 am", "2021-03", "12:30", "", "NA", "none", "-"]

    def test_every_row_that_ebb_reads(self):
        draw = random.Random(13)
        rows = []
        for i in range(400):
            rows.append({"name": f"passenger {i}",
                         "age": draw.choice(["", "17", "+3e1", " 64 ", "N/A",
                                             "-NaN", "#N/A", "-"]),
                         "deck": draw.choice(["A", "B", "NULL", "", "?"]),
                         "town": draw.choice([f"t{j}" for j in range(50)] +
                                             ["n/a"]),
                         "paid": draw.choice(["Yes", "no", "NO", "None", ""]),
                         "when": draw.choice(self.WHEN)})
            rows[-1]["y"] = (i % 7 + len(rows[-1]["when"])) / 3
        with open(self.path("any.csv"), "w", newline="") as file:
            out = csv.DictWriter(file, rows[0].keys())
            out.writeheader()
            out.writerows(rows)
        for parts in ("number", "parts"):
            name = "any-" + parts
            self.train(name, "linear", "{train: {csv: {path: any.csv, "
                       "missing_values: [\"-\"], dates: [when], day_first: "
                       f"true, date_features: {parts}}}}}}}")
            model, _ = self.exported(name)
            self.assertIn("left_out", [column["kind"] for column in
                                       model["features"]["columns"]])
            for row in rows:
                row.pop("name", None)
            x = np.array([PAGE["numbers_of"](model, row) for row in rows])
            self.compare(name, x, "any.csv", "--labelled")

    def test_numbers_of_a_table_without_text_or_header(self):
        with open(self.path("bare.csv"), "w") as file:
            for i in range(60):
                file.write(f"{i % 7},{'' if i % 9 == 0 else i},{i % 5}\n")
        self.train("bare", "linear", "{train: {csv: bare.csv}}")
        model, _ = self.exported("bare")
        with open(self.path("bare.csv")) as file:
            x = np.array([PAGE["numbers_of"](model, row[:2])
                          for row in csv.reader(file)])
        self.compare("bare", x, "bare.csv", "--labelled")

    def test_ebb_predict_refuses_a_folded_file(self):
        self.table("one.csv", lambda a, b, draw: a)
        self.train("one", "linear",
                   self.DATA.format("one.csv", "mean", "", "true"))
        self.ebb("checkpoint", "export", "one", "-o", "one.safetensors",
                 "--fold")
        self.assertIn("exported with --fold, for other programs", self.ebb(
            "predict", "one.safetensors", "one.csv", "--labelled", rc=2))
        self.ebb("checkpoint", "export", "one", "-o", "arrays")
        self.assertIn("arrays is an export as .npy files", self.ebb(
            "predict", "arrays", "one.csv", "--labelled", rc=2))
        self.assertIn("--fold and --with-slots", self.ebb(
            "checkpoint", "export", "one", "-o", "no/", "--fold",
            "--with-slots", rc=2))

    def test_factorisation_machine(self):
        draw = random.Random(5)
        rows = []
        with open(self.path("pairs.ffm"), "w") as file:
            for _ in range(300):
                keys = [draw.randrange(10), 100 + draw.randrange(10)]
                values = [1, draw.choice([0.5, 2])]
                label = int((keys[0] + keys[1]) % 3 == 0)
                file.write(f"{label} 0:{keys[0]}:{values[0]} "
                           f"1:{keys[1]}:{values[1]}\n")
                rows.append((keys, values))
        self.train("pairs", "{kind: fm, rank: 3}",
                   "{train: {libffm: pairs.ffm, scale: 0.5}}",
                   "train: {epochs: 5, batch: 20}\n"
                   "optimizer: {kind: adam, rate: 0.05}")
        _, shares = self.predictions("pairs", "pairs.ffm", "--labelled")
        self.compare_keys("pairs", rows, shares[:, 1])

    def test_matrix_factorisation(self):
        self.ebb("generate", "ratings", "films", "--users", "20", "--items",
                 "15", "--rows", "200", "--test-rows", "20", "--rank", "2")
        self.train("films", "{kind: matrix_factorisation, rank: 2}",
                   "{train: {ratings: films.train.csv}}")
        first, _ = self.predictions("films", "films.train.csv", "--labelled")
        self.assertIn("--id user: only tables (csv) have columns", self.ebb(
            "predict", "films", "films.train.csv", "--labelled", "--id",
            "user", rc=2))
        with open(self.path("films.train.csv")) as file:
            words = [line.split(",")[:2] for line in file.readlines()[1:]]
        rows = [([xxhash.xxh64_intdigest(word, seed=field)
                  for field, word in enumerate(pair)], [1, 1])
                for pair in words]
        self.compare_keys("films", rows, np.array(first, dtype=float))

    def test_models_of_fields(self):
        draw = random.Random(9)
        rows = []
        with open(self.path("fields.ffm"), "w") as file:
            for _ in range(300):
                fields = sorted(draw.choices(range(4), k=5))
                keys = [100 * field + draw.randrange(6) for field in fields]
                values = [draw.choice([1, 0.5, 2]) for _ in fields]
                label = int(sum(keys) % 3 == 0)
                file.write(f"{label} " + " ".join(
                    f"{f}:{k}:{v}" for f, k, v in zip(fields, keys, values)) +
                    "\n")
                rows.append((keys, values, fields))
        for name, model in (("field", "{kind: ffm, rank: 3}"),
                            ("wide", "{kind: wide_deep, dim: 3, layers: "
                             "[6, 5]}"),
                            ("deep", "{kind: deepfm, dim: 3, layers: [6]}")):
            self.train(name, model, "{train: {libffm: fields.ffm, scale: 0.5}}",
                       "train: {epochs: 5, batch: 20}\n"
                       "optimizer: {kind: adam, rate: 0.05}")
            _, shares = self.predictions(name, "fields.ffm", "--labelled")
            self.compare_keys(name, rows, shares[:, 1])

    def test_numbers_beside_keys(self):
        draw = random.Random(10)
        records = []
        for _ in range(300):
            age, prices = draw.uniform(-1, 1), [draw.uniform(0, 9), 1]
            user = f"u{draw.randrange(5)}"
            tags = draw.choices("abc", k=draw.randrange(3))
            records.append((age, prices, user, tags))
        with open(self.path("clicks.jsonl"), "w") as file:
            for age, prices, user, tags in records:
                file.write(json.dumps(
                    {"age": age, "price": prices, "user": user, "tags": tags,
                     "clicked": int(age + prices[0] > 4)}) + "\n")
        features = ("{clicked: label, age: dense, price: {as: dense, width: 2, "
                    "log: true}, user: key, tags: keys}")
        data = "{train: {json_lines: clicks.jsonl, features: %s}}" % features
        rest = ("train: {epochs: 30, batch: 20}\n"
                "optimizer: {kind: adam, rate: 0.03}")
        for name, model in (("wide_beside", "{kind: wide_deep, dim: 3, layers: "
                             "[6, 5]}"),
                            ("deep_beside", "{kind: deepfm, dim: 3, layers: "
                             "[6]}")):
            self.train(name, model, data, rest)
            first, shares = self.predictions(name, "clicks.jsonl", "--labelled")
            right = sum(int(label) == (age + prices[0] > 4)
                        for label, (age, prices, _, _) in zip(first, records))
            self.assertGreater(right, 280)  # No key says so.
            stored, _ = self.exported(name)
            told = stored["features"]
            self.assertEqual((told["fields"], told["places"], told["beside"]),
                             (4, 2, 3))
            of = {record["name"]: record for record in told["records"]}
            self.assertEqual((of["age"]["beside"], of["price"]["beside"]),
                             (0, 1))
            rows = []
            for age, prices, user, tags in records:
                words = [("user", user)] + [("tags", tag) for tag in tags]
                rows.append(([xxhash.xxh64_intdigest(word,
                                                     seed=of[feature]["field"])
                              for feature, word in words],
                             [1] * len(words),
                             [of[feature]["place"] for feature, _ in words],
                             [age] + [math.log1p(price) for price in prices]))
            self.compare_keys(name, rows, shares[:, 1])

    def compare_keys(self, name, rows, expected):
        model, tensors = self.exported(name)
        self.assertEqual(len(rows), len(expected))
        outputs = [PAGE["predict_keys"](model, tensors, np.array(keys, "u8"),
                                        *more) for keys, *more in rows]
        self.assertGreater(np.ptp(expected), 0.01, "it has learned")
        off = np.abs(np.array(outputs) - expected).max()
        self.assertLessEqual(off, 1e-6 * max(1, np.abs(expected).max()), name)


if __name__ == "__main__":
    unittest.main()
