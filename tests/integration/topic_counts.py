"""Finds what Gibbs sampling counts, beside the documents themselves."""
import collections


def occurrences(path):
    """How often all documents have each word."""
    counted = collections.Counter()
    with open(path) as file:
        for line in file:
            for pair in line.split()[1:]:
                word, count = pair.split(":")
                counted[int(word)] += int(count)
    return counted


def check_counts(test, documents, tensors):
    """Every word of all documents is counted in one topic, and stands in a row
    of its document. `documents` is the path of bags of words; `tensors` are
    those of the exported model."""
    words = occurrences(documents)
    for word, counts in enumerate(tensors["counts"].rows()):
        test.assertEqual(sum(counts), words[word], word)
        for count in counts:
            test.assertGreaterEqual(count, 0)
            test.assertEqual(count, int(count))
    assigned = sum(place > 0 for place in tensors["assignments/rows"].values())
    test.assertEqual(assigned, sum(words.values()))
