#!/usr/bin/env python3
"""Jobs that begin with the rows of another model's sparse tables (start) and
keep some of these tables as they are (freeze). Frozen rows keep their bits
under every algorithm and every kill, no row comes to them, and they are not
pushed. What does not fit is named.

  transfer_rows_test.py BIN_FOLDER
"""
import os
import sys
import unittest

from job_test_case import OneFolderTestCase, deaths

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"


def job(name, data, more=""):
    return f"""
name: {name}
model: {{kind: fm, rank: 3}}
data: {{train: {{libsvm: {data}.train.libsvm}}}}
train: {{epochs: 2, batch: 50, item_examples: 500}}
optimizer: {{kind: adagrad, rate: 0.05}}
checkpoint: {{every: 200ms}}
partitions: 4
oracle: {{width: 4}}
{more}"""


class TransferRowsTest(OneFolderTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_data({
            "first.yaml": job("first", "first"),
            "second.yaml": job("second", "second",
                               "start: first.safetensors\n"
                               "freeze: [factors]\n"),
            "whole.yaml": job("whole", "second"),
            "deaths.yaml": deaths("20ms")})
        # The second data has keys that the first has not, and the other way
        # round.
        for name, seed in (("first", 1), ("second", 2)):
            cls.generate("clicks", name, "--rows", "3000", "--fields", "3",
                         "--vocabulary", "10,100,1000", "--rank", "0",
                         "--interactions", "0", "--seed", str(seed))
        cls.ebb("run", "first.yaml", "--run-dir", "first", "--workers", "1")
        cls.tensors("first", "--with-slots")
        os.rename(cls.path("first.safetensors"), cls.path("slots.safetensors"))
        cls.first = cls.tensors("first")

    def train(self, name, *more, command="run"):
        """Trains what is not frozen, and returns all of the model."""
        self.ebb(command, "second.yaml", "--run-dir", name, "--servers", "2",
                 "--workers", "2", *more)
        trained = self.tensors(name, "--with-slots")
        for tensor in ("factors/keys", "factors/rows"):
            self.assertEqual(trained[tensor], self.first[tensor], tensor)
        self.assertFalse([slot for slot in trained if slot.startswith("slots/")
                          and "factors" in slot])
        return trained

    @staticmethod
    def by_key(model, table):
        return dict(zip(model[table + "/keys"].values(),
                        model[table + "/rows"].rows()))

    def test_frozen_rows_keep_their_bits_and_the_others_learn(self):
        trained = self.train("plain")
        begun = self.by_key(self.first, "weights")
        rows = self.by_key(trained, "weights")
        # Keys of the second data came beside those of the first.
        self.assertGreater(rows.keys(), begun.keys())
        self.assertFalse(rows.keys() <= self.by_key(trained, "factors").keys())
        learned = sum(rows[key] != row for key, row in begun.items())
        self.assertGreater(learned, len(begun) / 10)
        self.assertIn("slots/adagrad/squares/weights/rows", trained)

    def test_all_begins_with_the_rows_of_the_other_model(self):
        # Steps of such a rate change no value, and a row that comes is 0.
        still = ["--set", "optimizer.rate=1e-35"]
        for name, source in (
                ("of-a-file", "first.safetensors"), ("of-a-run", "first/"),
                ("of-a-job", "job:./first"), ("of-slots", "slots.safetensors")):
            with self.subTest(source):
                self.ebb("run", "whole.yaml", "--run-dir", name, *still,
                         "--set", f"start={source}")
                trained = self.tensors(name)
                for table in ("weights", "factors"):
                    rows = self.by_key(trained, table)
                    for key, row in self.by_key(self.first, table).items():
                        self.assertEqual(rows[key], row)

    def test_whatever_steps_and_however_it_is_pushed(self):
        for name, more in (
                ("adam", ["optimizer=adam", "model.l2=0.01"]),
                ("downpour", ["algorithm={kind: downpour, push_every: 3}"]),
                ("geo", ["algorithm={kind: geo, push_every: 3}",
                         "optimizer={kind: sgd, rate: 0.1}"]),
                ("late", ["algorithm=dynsgd"]),
                ("averaged", ["freeze=[weights, factors]",
                              "optimizer={kind: adagrad, ema: 0.9}"]),
                ("kept", ["consistency={kind: ssp, bound: 4}",
                          "tables={factors: {cache: {rows: 500}}}"])):
            with self.subTest(name):
                self.train(name, *(word for one in more
                                   for word in ("--set", one)))

    def test_kills_change_nothing_of_it(self):
        self.train("killed", "--scenario", "deaths.yaml", "--set",
                   "train.epochs=6", command="chaos")
        self.assertEqual(self.check_deaths("killed")["epochs"], 6)

    def test_a_run_that_goes_on_does_not_read_the_model_again(self):
        os.link(self.path("first.safetensors"), self.path("copy.safetensors"))
        run = ["--set", "start.from=copy.safetensors"]
        self.train("on", *run)
        os.remove(self.path("copy.safetensors"))
        self.train("on", *run, "--resume", "--set", "train.epochs=3")
        self.assertEqual(self.report("on")["epochs"], 3)

    def pushed_a_batch(self, file, *more):
        said = self.ebb("job", "check", file, *more)
        (line,) = [line for line in said.splitlines() if " pushed" in line and
                   "a batch" in line]
        return line.split(", at most ")[1].removesuffix(" pushed"), said

    def test_frozen_rows_are_not_pushed(self):
        some, said = self.pushed_a_batch("second.yaml")
        everything, _ = self.pushed_a_batch("whole.yaml")
        # 150 keys of a batch: with weights of 12 bytes, and factors of 20.
        self.assertEqual((some, everything), ("1.8 KiB", "4.7 KiB"))
        self.assertIn("frozen: 1 of 3 tables, with the rows of factors", said)
        self.assertNotIn("at random", said)

    def refused(self, *more):
        return self.ebb("job", "check", "second.yaml", *(
            word for one in more for word in ("--set", one)), rc=2)

    def test_what_does_not_fit_is_named(self):
        said = self.refused("model.rank=4")
        self.assertIn("tensor factors/rows of first.safetensors has the shape",
                      said)
        self.assertIn("takes what fits", said)
        self.assertIn("tables: [bias, weights]", said)
        said = self.refused("start.rename={weights: nothing}")
        self.assertIn("has no rows for the sparse table weights", said)
        self.assertIn("nothing is left to learn",
                      self.refused("freeze=[bias, weights, factors]"))
        self.assertIn("tables.factors.expire_after: factors is frozen",
                      self.refused("tables={factors: {expire_after: 10}}"))
        self.assertIn("more than its max_rows allows",
                      self.refused("tables={factors: {max_rows: 8}}"))
        # Nothing trained them, but that may be meant.
        said = self.ebb("job", "check", "whole.yaml", "--set",
                        "freeze=[factors]")
        self.assertIn("factors has rows that begin at random", said)


if __name__ == "__main__":
    unittest.main()
