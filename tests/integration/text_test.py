#!/usr/bin/env python3
"""Tables, ratings and click logs with text, as people have them, on real
processes: each is read as its owner means it, or refused.

  text_test.py BIN_FOLDER [TEST...]
"""
import csv
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 120


class TextTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_text_test_")
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", newline="") as out:
            out.write(text)

    def ebb(self, *arguments, code=0, errors=False):
        done = subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                              cwd=self.folder, capture_output=True, text=True,
                              timeout=LIMIT_S)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, said)
        all_of_it = errors or code or arguments[0] == "job"
        return said if all_of_it else done.stdout

    def run_job(self, *more):
        self.ebb("run", "job.yaml", "--servers", "1", "--workers", "2",
                 "--run-dir", "run", "--report", "report.json", *more)
        with open(os.path.join(self.folder, "report.json")) as file:
            return json.load(file)

    def predict(self, data, *more):
        text = self.ebb("predict", "run", data, *more)
        return list(csv.DictReader(io.StringIO(text)))

    def passengers(self, rows):
        """A list of passengers: women and the first class survive."""
        rng = random.Random(1)
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\r\n")
        table.writerow("PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,"
                       "Ticket,Fare,Cabin,Embarked".split(","))
        for i in range(1, rows + 1):
            sex = rng.choice(["male", "female"])
            first = rng.random() < 0.3
            chance = 0.93 if sex == "female" else 0.5 if first else 0.05
            table.writerow([
                i, int(rng.random() < chance), 1 if first else 3,
                f'Doe, Mr. Jo "{i}"', sex,
                "" if rng.random() < 0.2 else rng.randint(1, 80),
                rng.randint(0, 3), rng.randint(0, 2),
                f"A/5 {i}" if rng.random() < 0.3 else 100000 + i,
                f"{rng.uniform(4, 90):.4f}",
                "" if rng.random() < 0.8 else f"C{rng.randint(1, 99)}",
                rng.choice(["S", "S", "C", "Q", ""])])
        return out.getvalue()

    def test_a_list_of_passengers_is_learned_from_two_lines(self):
        # It was refused with a screen of lines.
        self.write("train.csv", self.passengers(891))
        self.write("job.yaml", "model: logistic\ndata: {train: {csv: {path: "
                               "train.csv, label: Survived}}, split: 0.2}\n")
        said = self.ebb("job", "check", "job.yaml")
        self.assertIn("column 1 ('PassengerId') counts the rows", said)
        self.assertIn("column 4 ('Name') is left out", said)
        self.assertIn("column 5 ('Sex') has text: a feature for each of its 2 "
                      "values", said)
        self.assertRegex(said, r"column 6 \('Age'\) has no value in \d+ of 891")
        self.assertGreater(self.run_job()["accuracy"], 0.75)
        # Columns are found by name; an unknown port and a missing age have
        # their place; names and tickets are not needed.
        self.write("new.csv",
                   "Embarked,Sex,Age,Cabin,Pclass,PassengerId,SibSp,Parch,Fare"
                   "\nX,female,,,1,900,0,0,50\nS,male,30,Z1,3,901,0,0,8\n")
        rows = self.predict("new.csv")
        self.assertEqual([row["prediction"] for row in rows], ["1", "0"])

    def test_species_are_classes_and_are_predicted_by_name(self):
        rng = random.Random(2)
        names = ["virginica", "setosa", "versicolor, wild"]
        centres = [(6.6, 5.6), (5.0, 1.5), (5.9, 3.8)]
        lines = []
        for i in range(240):
            of = i // 2 % 3
            x, y = (rng.gauss(mean, 0.2) for mean in centres[of])
            lines.append(f'{x:.2f},{y:.2f},"{names[of]}"')
        self.write("flowers.csv", "\n".join(lines) + "\n")  # No header.
        self.write("job.yaml", "model: softmax\n"
                               "data: {train: {csv: flowers.csv}, split: 0.2}\n")
        self.assertGreater(self.run_job()["accuracy"], 0.9)
        self.write("new.csv", "5.0,1.5\n6.6,5.6\n5.9,3.8\n")
        rows = self.predict("new.csv")
        self.assertEqual([row["prediction"] for row in rows],
                         ["setosa", "virginica", "versicolor, wild"])
        self.assertIn("p(versicolor, wild)", rows[0])
        self.write("odd.csv", "5.0,1.5,tulip\n" * 2)
        self.assertIn("'tulip' is none of the 3 classes",
                      self.ebb("predict", "run", "odd.csv", "--labelled",
                               code=2))

    def test_bad_fields_are_told_by_column(self):
        self.write("t.csv", "a,b,c,y\n" + "u,v,1,0\nw,x,,1\n" * 50)
        self.write("job.yaml",
                   "model: logistic\ndata: {train: {csv: {path: t.csv, "
                   "categorical: [none], missing: error}}}\n")
        said = self.ebb("job", "check", "job.yaml", code=2)
        self.assertIn("a, b: text in 100 of 100 rows", said)
        self.assertIn("c: a missing value in 50 of 100 rows", said)

    def ratings(self, quoted, header):
        rng = random.Random(3)
        lines = [header] if header else []
        for i in range(600):
            user, item = rng.randint(1, 20), rng.randint(1, 15)
            rating = 3 + (user % 3 - 1) + (item % 3 - 1)
            quote = '"' if quoted else ""
            fields = {"userId": f"{quote}u{user}{quote}",
                      "movieId": f"{quote}m, {item}{quote}" if quoted
                                 else f"m{item}",
                      "rating": str(rating)}
            names = header.split(",") if header else list(fields)
            lines.append(",".join(fields[name] for name in names))
        return "\n".join(lines) + "\n"

    def test_ratings_with_quotes_and_their_own_order_are_learned(self):
        # Quoted users were others, and movieId was taken for the rating.
        self.write("train.csv", self.ratings(True, "rating,userId,movieId"))
        self.write("job.yaml",
                   "model: {kind: matrix_factorisation, rank: 2}\n"
                   "data: {train: {ratings: train.csv}, split: 0.2}\n"
                   "train: {epochs: 30, batch: 16}\n")
        self.assertLess(self.run_job()["loss"], 0.5)
        self.write("odd.csv", "rating,person,movieId\n3,1,2\n")
        said = self.ebb("job", "check", "job.yaml", "--set",
                        "data.train.ratings.path=odd.csv", code=2)
        self.assertIn("name its column by user:", said)

    def test_ratings_find_their_columns_by_name_at_prediction(self):
        # Another order changed users and items without a word.
        self.write("train.csv", self.ratings(False, "rating,userId,movieId"))
        self.write("job.yaml",
                   "model: {kind: matrix_factorisation, rank: 2}\n"
                   "data: {train: {ratings: {path: train.csv, user: \"2\", "
                   "item: \"3\", rating: \"1\"}}}\ntrain: {epochs: 20}\n")
        self.run_job()
        pairs = [(f"u{i % 20 + 1}", f"m{i % 15 + 1}") for i in range(60)]
        said = []
        for header in ("rating,userId,movieId", "movieId,userId"):
            names = header.split(",")
            self.write("new.csv", header + "\n" + "".join(
                ",".join({"userId": user, "movieId": item}.get(name, "3")
                         for name in names) + "\n" for user, item in pairs))
            said.append(self.ebb("predict", "run", "new.csv", errors=True))
        self.assertEqual(said[0], said[1])
        # A user or item that is new was the mean, without a word.
        self.assertNotIn("warning", said[0])
        self.write("new.csv", "userId,movieId\nu1,m1\nu1,m99\nu77,m1\n"
                              "u77,m99\n")
        self.assertIn("3 of 4 examples have a user or an item of which the "
                      "model knows nothing",
                      self.ebb("predict", "run", "new.csv", errors=True))
        self.write("new.csv", "filmId,person\nm1,u1\n")
        self.assertIn("there is no column 'userId', which is the user",
                      self.ebb("predict", "run", "new.csv", code=2))

    def test_ratings_in_another_order_are_pointed_out(self):
        # The root of the mean squared error was 1614.
        lines = [f"{i % 5 + 1},{i % 40},{i * 7 % 900}" for i in range(300)]
        self.write("train.csv", "\n".join(lines) + "\n")
        self.write("job.yaml",
                   "model: {kind: matrix_factorisation, rank: 2}\n"
                   "data: {train: {ratings: train.csv}}\ntrain: {epochs: 1}\n")
        hint = "name the columns: user: 2, item: 3, rating: 1"
        self.assertIn(hint, self.ebb("job", "check", "job.yaml"))
        done = subprocess.run(
            [os.path.join(BIN, "ebb"), "run", "job.yaml", "--servers", "1",
             "--workers", "1", "--run-dir", "run"], cwd=self.folder,
            capture_output=True, text=True, timeout=LIMIT_S)
        self.assertIn(hint, done.stdout + done.stderr)

    def test_rows_of_pairs_without_a_feature_are_examples(self):
        rng = random.Random(4)
        lines = []
        for i in range(900):
            label = rng.randint(0, 1)
            pairs = "" if i % 10 == 0 else f" {rng.randint(1, 9)}:1" + (
                " 10:1" if label else "")
            lines.append(f"{label}{pairs}")
        self.write("rows.libsvm", "\n".join(lines) + "\n")
        for model in ("logistic", "sparse_logistic"):
            self.write("job.yaml", f"model: {model}\ndata: {{train: {{libsvm: "
                                   "rows.libsvm}, split: 0.2}\n"
                                   "train: {epochs: 4, batch: 20}\n")
            shutil.rmtree(os.path.join(self.folder, "run"), ignore_errors=True)
            report = self.run_job()
            self.assertTrue(report["passed"], report["problems"])
            self.assertTrue(report["audit"]["exact"])
            self.assertGreater(report["accuracy"], 0.85)

    def test_predictions_carry_an_id_and_are_scored(self):
        rows = [(f"c-{i}", i % 13, "yes" if i % 2 else "no",
                 "TRUE" if (i % 13 > 6) else "False") for i in range(400)]
        self.write("train.csv", "customer,age,paid,stays\n" + "".join(
            ",".join(map(str, row)) + "\n" for row in rows))
        self.write("job.yaml", "model: logistic\ndata: {train: {csv: {path: "
                               "train.csv, ignore: [customer]}}, split: 0.2}\n"
                               "train: {epochs: 30, batch: 16}\n")
        report = self.run_job()
        self.assertEqual(report["test"]["classes"], ["False", "TRUE"])
        done = subprocess.run(
            [os.path.join(BIN, "ebb"), "predict", "run", "train.csv", "--id",
             "customer", "--score", "-o", "out.csv"], cwd=self.folder,
            capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("accuracy", done.stdout)
        with open(os.path.join(self.folder, "out.csv"), newline="") as file:
            out = list(csv.DictReader(file))
        self.assertEqual([row["customer"] for row in out],
                         [row[0] for row in rows])
        right = sum(a["prediction"] == b[3] for a, b in zip(out, rows))
        self.assertIn(f"{right / len(rows):.4f}", done.stdout)
        # A text that training never saw became the mean without a word.
        self.write("new.csv", "customer,age,paid\na,3,yes\nb,4,ja\n")
        done = subprocess.run(
            [os.path.join(BIN, "ebb"), "predict", "run", "new.csv"],
            cwd=self.folder, capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: new.csv: column 3 ('paid') has a text that the "
                      "training data does not have in 1 of 2 rows, first 'ja'",
                      done.stderr)


if __name__ == "__main__":
    unittest.main()
