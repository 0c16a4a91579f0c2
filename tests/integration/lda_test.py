#!/usr/bin/env python3
"""Topics of documents by variational Bayes, on real processes. The topics that
made the documents are found, and in rounds they are those of an undisturbed run,
to the bit, whatever is killed.

  lda_test.py BIN_FOLDER [TEST...]
"""
import csv
import os
import sys
import unittest

from exported import read_export
from job_test_case import deaths
from topic_test_case import TEST_ROWS, TOPICS, TopicTestCase, cosine

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"

JOB = f"""
name: news
model: {{kind: lda, topics: {TOPICS}, document_prior: 0.1, topic_prior: 0.05}}
data:
  train: {{bags: {{path: news.train.bags, vocabulary: news.train.words}}}}
  test: {{bags: news.test.bags}}
train: {{epochs: 6, batch: 40, item_examples: 80}}
evaluate: 2 epochs
partitions: 3
checkpoint: {{every: 200ms}}
oracle: {{width: 2}}
seed: 2
"""

# Each step is made of all documents.
ROUNDS = ["--set", "consistency={kind: rounds, examples: epoch}",
          "--set", "train.epochs=15"]


class LdaTest(TopicTestCase):
    programs = BIN

    @classmethod
    def setUpClass(cls):
        cls.make_documents(JOB, deaths("20ms"))

    def check_topics(self, folder, report):
        tensors, model = read_export(os.path.join(folder, "model.safetensors"))
        found = tensors["topics"].rows()
        for topic in found:
            self.assertAlmostEqual(sum(topic), 1, delta=1e-4)
        for topic in self.topics:
            self.assertGreater(max(cosine(topic, one) for one in found), 0.95)
        # A document's topics are known from 30 of its words only.
        perplexity = report["evaluations"][-1]["perplexity"]
        known = self.truth["test"]["perplexity"]
        self.assertGreater(perplexity, known)
        self.assertLess(perplexity, 1.3 * known)
        return tensors, model

    def test_finds_the_topics(self):
        folder, report, said = self.run_job(*ROUNDS)
        tensors, model = self.check_topics(folder, report)
        self.assertIn("test perplexity", said)
        self.assertIn("topic 4: word", said)
        self.assertEqual(len(model["top_words"]), TOPICS)
        top = model["top_words"][0]
        shares = tensors["topics"].rows()[0]
        self.assertEqual(int(top[0][len("word"):]), shares.index(max(shares)))
        # Each of all words is in some topic.
        with open(os.path.join(folder, "news.train.bags")) as file:
            words = sum(int(pair.split(":")[1]) for line in file
                        for pair in line.split()[1:])
        self.assertAlmostEqual(sum(tensors["counts"].values()) / words, 1, delta=1e-4)
        self.assertEqual(tensors["start"].values(), [0])

        # Bug: what was exported was refused as what another job begins with.
        self.run_ebb(folder, "job", "check", "news.yaml", "--set",
                     "model.initial=model.safetensors")

        # The shares of each document, and of one without words.
        with open(os.path.join(folder, "news.test.bags"), "a") as file:
            file.write("0\n")
        written = self.run_ebb(folder, "predict", "model.safetensors",
                               "news.test.bags")
        rows = list(csv.DictReader(written.splitlines()))
        self.assertEqual(len(rows), TEST_ROWS + 1)
        for row in rows:
            shares = [float(row[f"p({k})"]) for k in range(TOPICS)]
            self.assertAlmostEqual(sum(shares), 1, delta=1e-4)
            self.assertEqual(shares[int(row["prediction"])], max(shares))
        for k in range(TOPICS):
            self.assertAlmostEqual(float(rows[-1][f"p({k})"]), 1 / TOPICS,
                                   delta=1e-4)

        # The same, whatever dies.
        folder, report, _ = self.run_job("--scenario", "deaths.yaml", *ROUNDS,
                                         command="chaos")
        self.assertEqual(report["restarts"]["total"], 3)
        self.assertEqual(tensors, self.check_topics(folder, report)[0])

    def test_late_steps_find_topics_whatever_dies(self):
        folder, report, _ = self.run_job("--scenario", "deaths.yaml",
                                         command="chaos")
        self.assertEqual(report["restarts"]["total"], 3)
        tensors, _ = read_export(os.path.join(folder, "model.safetensors"))
        found = tensors["topics"].rows()
        # The order of the steps decides: at times two topics become one.
        near = [max(cosine(topic, one) for one in found)
                for topic in self.topics]
        self.assertGreater(sorted(near)[2], 0.95, near)
        self.assertLess(report["evaluations"][-1]["perplexity"],
                        1.5 * self.truth["test"]["perplexity"])

    def test_learns_from_text(self):
        folder = self.new_folder()
        rivers = "river water bank boat fish".split()
        money = "money bank loan credit rate".split()
        with open(os.path.join(folder, "notes.txt"), "w") as file:
            for i in range(400):
                words = rivers if i % 2 else money
                file.write(" ".join(words[(i + j * j) % 5] for j in range(12)))
                file.write("\n\n")
        with open(os.path.join(folder, "notes.yaml"), "w") as file:
            file.write("name: notes\nmodel: {kind: lda, topics: 2}\n"
                       "data: {train: {text: notes.txt}, split: 0.2}\n"
                       "consistency: {kind: rounds, examples: 64}\n"
                       "train: {epochs: 5, batch: 32}\n")
        self.run_ebb(folder, "run", "notes.yaml", "--run-dir", "run")
        said = self.export(folder)
        topics = [set(line.split()[2:7]) for line in said.splitlines()
                  if line.startswith("topic ")]
        self.assertEqual(sorted(map(sorted, topics)),
                         sorted(map(sorted, (rivers, money))), said)
        # Each document has a prediction, also one without a known word.
        with open(os.path.join(folder, "notes.txt"), "a") as file:
            file.write("unheard\n")
        written = self.run_ebb(folder, "predict", "model.safetensors",
                               "notes.txt")
        rows = list(csv.DictReader(written.splitlines()))
        self.assertEqual(len(rows), 401)
        self.assertNotEqual(rows[0]["prediction"], rows[1]["prediction"])

    def test_mistakes_are_named(self):
        for setting, text in (
                ("model.topics=0", "model.topics"),
                ("optimizer=adam", "lda averages counts of words"),
                ("optimizer.rate=2", "reaches 2"),
                ("algorithm=downpour", "lda has no gradient"),
                ("model={kind: logistic}", "its examples are documents of words"),
                ("data.train={libsvm: news.train.bags}",
                 "lda learns from documents")):
            with self.subTest(setting=setting):
                said = self.run_ebb(self.data, "job", "check", "news.yaml",
                                    "--set", setting, rc=2)
                self.assertIn(text, said)

    # Bug: these runs were good, and their results worth nothing.
    def test_documents_that_say_nothing_are_refused(self):
        for bags, words, test, text in (
                ("0\n0\n", "a\nb\n", "", "data.train: none of its documents"),
                ("1 0:3\n", "a\n", "", "its vocabulary is one word"),
                ("1 0:3\n", "", "", "d.words, has no words"),
                ("2 0:3 1:1\n", "a\nb\n", "0\n1 0:1\n",
                 "data.test: none of its documents has two words")):
            with self.subTest(text):
                folder = self.new_folder()
                for name, content in (("d.bags", 9 * bags), ("d.words", words),
                                      ("t.bags", test)):
                    with open(os.path.join(folder, name), "w") as file:
                        file.write(content)
                tested = ", test: {bags: t.bags}" if test else ""
                with open(os.path.join(folder, "job.yaml"), "w") as file:
                    file.write(
                        "model: {kind: lda, topics: 2}\ndata: {train: {bags: "
                        f"{{path: d.bags, vocabulary: d.words}}}}{tested}}}\n")
                self.assertIn(text, self.run_ebb(folder, "job", "check",
                                                 "job.yaml", rc=2))

    # Bug: a text with a document in each line was one document, without a word
    # about it.
    def test_a_text_that_is_one_document_is_noticed(self):
        folder = self.new_folder()
        with open(os.path.join(folder, "d.txt"), "w") as file:
            file.write("one two\n" * 20)
        with open(os.path.join(folder, "job.yaml"), "w") as file:
            file.write("model: {kind: lda, topics: 2}\n"
                       "data: {train: {text: d.txt}}\n")
        said = self.run_ebb(folder, "job", "check", "job.yaml")
        self.assertIn("all 20 lines are one document", said)
        self.assertIn("document: line", said)


if __name__ == "__main__":
    unittest.main()
