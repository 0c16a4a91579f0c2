#!/usr/bin/env python3
"""Tests what is left of others' on the machine of the tests' cluster."""
import os
import sys
import tempfile
import time
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cluster  # noqa: E402

LIMIT_S = 60


class NeighbourClusterTest(unittest.TestCase):
    # Bug: all volumes of the machine were opened to everybody, and deleted.
    def test_volumes_that_were_there_stay(self):
        with tempfile.TemporaryDirectory(prefix="ebb_cluster_test_") as folder:
            volumes = os.path.join(folder, "volumes")
            theirs = os.path.join(volumes, "theirs")
            ours = os.path.join(volumes, "ours")
            os.makedirs(theirs, mode=0o700)

            def script(_, name, *arguments, limit=0):
                if name == "kube-up.sh":
                    os.mkdir(ours, mode=0o700)

            with mock.patch.multiple(
                    cluster, NEIGHBOUR=folder, VOLUMES=volumes,
                    POD_LOGS=os.path.join(folder, "pods"),
                    KEPT_LOGS=os.path.join(folder, "kept"), run=mock.Mock()), \
                    mock.patch.object(os, "geteuid", return_value=0), \
                    mock.patch.object(cluster.NeighbourCluster, "script",
                                      script):
                one = cluster.NeighbourCluster("bin", os.path.join(folder, "k"))
                limit = time.monotonic() + LIMIT_S
                while os.stat(ours).st_mode & 0o777 != 0o777:
                    self.assertLess(time.monotonic(), limit)
                    time.sleep(0.01)
                one.end()
            self.assertEqual(os.listdir(volumes), ["theirs"])
            self.assertEqual(os.stat(theirs).st_mode & 0o777, 0o700)


if __name__ == "__main__":
    unittest.main()
