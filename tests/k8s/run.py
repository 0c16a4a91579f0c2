#!/usr/bin/env python3
"""Tests what deploy/k8s does on a real Kubernetes: pods are killed, and
everything is scaled and replaced while it trains; every example counts once
all the same.

  tests/k8s/run.py                 # all, on a cluster of its own for the while
  tests/k8s/run.py --only kill     # one
  KUBECONFIG=... tests/k8s/run.py  # on a cluster that is there
  tests/k8s/run.py --seconds 480 --lenient --only base --only kill  # CI

Without KUBECONFIG it starts the one of ../shared/kube (root), and ends it;
where neither is there it says SKIPPED, and exits with 0. A cluster that is
there needs the image (deploy/image) under the name EBB_IMAGE, and a busybox
under EBB_TOOLS_IMAGE; it gets namespaces ebb-test-*, which are deleted again.
"""
import argparse
import math
import os
import signal
import sys
import tempfile
import time
import traceback

import cluster as clusters
import proof_base
import proof_bucket
import proof_data
import proof_gpu
import proof_kill
import proof_node
import proof_preempt
import proof_python
import proof_scale
import proof_tenants
from deployment import NotExact

PROOFS = {"base": proof_base, "preempt": proof_preempt, "kill": proof_kill,
          "node": proof_node, "scale": proof_scale, "tenants": proof_tenants,
          "data": proof_data, "bucket": proof_bucket, "gpu": proof_gpu, "python": proof_python}


class Record:
    """Notes what was seen, and how long it took; printed as it comes."""

    def __init__(self):
        self.steps = []
        self.proof = ""

    def note(self, what, figure):
        self.steps.append((self.proof, what, figure))
        print(f"  {what}: {figure}", flush=True)

    def seconds(self, what, seconds):
        self.note(what, f"{seconds:.1f} s")

    def markdown(self):
        lines = ["| proof | step | seen |", "|---|---|---|"]
        lines += [f"| {' | '.join(step)} |" for step in self.steps]
        return "\n".join(lines) + "\n"


class TimeIsUp(Exception):
    """All of --seconds has passed."""


def not_exact(error):
    """Returns whether that is in it, whatever failed later in cleaning up."""
    while error and not isinstance(error, NotExact):
        error = error.__context__
    return error is not None


def prove(name, cluster, record, lenient):
    """"proven", "SKIPPED", "not proven" or "FAILED". The namespaces are gone
    afterwards, whichever."""
    record.proof = name
    print(f"=== {name}: {' '.join(PROOFS[name].__doc__.split())}", flush=True)
    begun = time.monotonic()
    try:
        PROOFS[name].prove(cluster, record)
    except clusters.Missing as why:
        record.note("SKIPPED", str(why))
        return "SKIPPED"
    except Exception as error:  # The next one says something, too.
        traceback.print_exc()
        verdict = "not proven" if lenient and not not_exact(error) else "FAILED"
        record.note(verdict, traceback.format_exc().splitlines()[-1][:300])
        return verdict
    record.seconds("all of it", time.monotonic() - begun)
    return "proven"


def give_up_after(seconds):
    """Never, if 0."""
    def give_up(*_):
        raise TimeIsUp(f"not within {seconds} s")

    signal.signal(signal.SIGALRM, give_up)
    # And again, if cleaning up hangs.
    signal.setitimer(signal.ITIMER_REAL, seconds, 60)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(clusters.ROOT,
                                                      "build/bin"),
                        help="where the programs are")
    parser.add_argument("--home", help="where ../shared/kube is unpacked to, "
                        "and found again; default: a temporary folder")
    parser.add_argument("--only", action="append", choices=list(PROOFS),
                        help="this one; may be repeated")
    parser.add_argument("--seconds", type=int, default=0,
                        help="give up after so long; default: never")
    parser.add_argument("--lenient", action="store_true",
                        help="only an audit that is not exact is a failure; "
                        "all else is said: for machines that others use, too")
    parser.add_argument("--report", metavar="FILE",
                        help="the figures as a table, too")
    flags = parser.parse_args()
    # A run that is told to stop cleans up, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    deadline = time.monotonic() + (flags.seconds or math.inf)
    with tempfile.TemporaryDirectory(prefix="ebb_kube_") as folder:
        give_up_after(flags.seconds)
        try:
            cluster = clusters.open_cluster(os.path.abspath(flags.bin),
                                            flags.home or folder)
        except clusters.Missing as why:
            print(f"SKIPPED: {why}, and KUBECONFIG names no other cluster")
            return 0
        except Exception as why:
            if not flags.lenient:
                raise
            print(f"no cluster: {why!r}")
            return 0
        record = Record()
        verdicts = {}
        try:
            print("cluster:", cluster.description(), flush=True)
            for name in flags.only or PROOFS:
                verdicts[name] = prove(name, cluster, record, flags.lenient)
                if time.monotonic() > deadline:
                    break
        except TimeIsUp as why:  # Between two of them.
            print(why)
        except Exception:  # Of what they have in common.
            if not flags.lenient:
                raise
            traceback.print_exc()
        finally:
            give_up_after(0)
            cluster.end()
        if flags.report:
            with open(flags.report, "w") as file:
                file.write(record.markdown())
    for name in flags.only or PROOFS:
        print(f"{name}: {verdicts.get(name, 'not proven')}")
    good = {"proven", "SKIPPED"} | ({"not proven"} if flags.lenient else set())
    return 0 if all(verdicts.get(name, "not proven") in good
                    for name in flags.only or PROOFS) else 1


if __name__ == "__main__":
    sys.exit(main())
