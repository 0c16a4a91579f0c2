#!/usr/bin/env python3
"""What deploy/k8s does on a real Kubernetes: pods are killed, and everything is
scaled and replaced while it trains; every example counts once all the same.

  tests/k8s/run.py                 # all, on a cluster of its own for the while
  tests/k8s/run.py --only kill     # one
  KUBECONFIG=... tests/k8s/run.py  # on a cluster that is there

Without KUBECONFIG it starts the one of ../shared/kube (root), and ends it;
where neither is there it says SKIPPED, and exits with 0. A cluster that is
there needs the image (deploy/image) under the name EBB_IMAGE, and a busybox
under EBB_TOOLS_IMAGE; it gets namespaces ebb-test-*, which are deleted again.
"""
import argparse
import os
import signal
import sys
import tempfile
import time
import traceback

import cluster as clusters
import proof_base
import proof_kill
import proof_node
import proof_scale
import proof_tenants

PROOFS = {"base": proof_base, "kill": proof_kill, "node": proof_node,
          "scale": proof_scale, "tenants": proof_tenants}


class Record:
    """What was seen, and how long it took; printed as it comes."""

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


def prove(name, cluster, record):
    """Whether it was seen. The namespaces are gone afterwards either way."""
    record.proof = name
    print(f"=== {name}: {' '.join(PROOFS[name].__doc__.split())}", flush=True)
    begun = time.monotonic()
    try:
        PROOFS[name].prove(cluster, record)
    except clusters.Missing as why:
        record.note("SKIPPED", str(why))
        return True
    except Exception:  # The next one says something, too.
        traceback.print_exc()
        record.note("FAILED", traceback.format_exc().splitlines()[-1][:300])
        return False
    record.seconds("all of it", time.monotonic() - begun)
    return True


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
    parser.add_argument("--report", metavar="FILE",
                        help="the figures as a table, too")
    flags = parser.parse_args()
    # What is told to stop cleans up, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="ebb_kube_") as folder:
        try:
            cluster = clusters.open_cluster(os.path.abspath(flags.bin),
                                            flags.home or folder)
        except clusters.Missing as why:
            print(f"SKIPPED: {why}, and KUBECONFIG names no other cluster")
            return 0
        record = Record()
        failed = []
        try:
            print("cluster:", cluster.description(), flush=True)
            for name in flags.only or PROOFS:
                if not prove(name, cluster, record):
                    failed.append(name)
        finally:
            cluster.end()
        if flags.report:
            with open(flags.report, "w") as file:
                file.write(record.markdown())
    print("FAILED: " + ", ".join(failed) if failed else "all proven")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
