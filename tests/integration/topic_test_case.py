"""The parts that tests of topics of documents have in common."""
import json
import math
import os

from job_test_case import JobTestCase

ROWS, TEST_ROWS, TOPICS, WORDS = 1_200, 200, 5, 200


def cosine(a, b):
    return (sum(x * y for x, y in zip(a, b)) /
            math.sqrt(sum(x * x for x in a) * sum(y * y for y in b)))


class TopicTestCase(JobTestCase):
    @classmethod
    def make_documents(cls, job, scenario):
        """Documents of known `topics`, beside job and scenario in `data`."""
        cls.make_data({"news.yaml": job, "deaths.yaml": scenario})
        cls.generate("documents", "news", "--rows", str(ROWS), "--test-rows",
                     str(TEST_ROWS), "--topics", str(TOPICS), "--vocabulary",
                     str(WORDS), "--words", "60")
        with open(os.path.join(cls.data, "news.truth.json")) as file:
            cls.truth = json.load(file)
        shares = cls.truth["model"]["topics"]
        cls.topics = [shares[at:at + WORDS]
                      for at in range(0, len(shares), WORDS)]

    def run_job(self, *more, command="run"):
        """The folder, the report and what was printed."""
        folder = self.copy_of_data()
        report, said = self.run_to_the_end(folder, "news.yaml", *more,
                                           command=command)
        return folder, report, said + self.export(folder)
