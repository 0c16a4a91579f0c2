"""The targets of the study."""

import unittest

from language_for_tests import kept

import targets


def verdicts(*runs):
    return {one.what: (one.reached, one.verdict) for one in targets.all_targets(runs)}


class TargetsTest(unittest.TestCase):
    def test_losses_are_compared_in_pairs_of_equal_seeds(self):
        runs = [kept("ddp", seed=1, loss=2.0), kept("ddp", seed=2, loss=1.0)]
        runs += [kept("diloco", seed=1, loss=2.0), kept("diloco", seed=2, loss=1.1)]
        # The third seed has no pair, and one run failed.
        runs += [kept("diloco", seed=3, loss=9.0), kept("ddp", seed=4, failure="no gloo")]
        found = verdicts(*runs)["loss at equal tokens, 4 workers, rounds / DDP"]
        self.assertEqual(found, ("1.050 (1.000–1.100)", "misses by 0.040"))

    def test_asp_may_lose_three_percent(self):
        runs = [kept("ddp", workers=8, loss=2.0), kept("diloco_asp", workers=8, loss=2.06)]
        found = verdicts(*runs)["loss at equal tokens, 8 workers, asp / DDP"]
        self.assertEqual(found, ("1.030", "holds"))

    def test_kills_lose_and_double_nothing_and_leave_the_same_bits(self):
        killed = kept("kills", lost=0, doubled=0, exact=True, digest="a")
        found = verdicts(killed, kept("diloco", loss=1.0, digest="a"))
        self.assertEqual(found["sequences lost / doubled under kills, audit"], ("0 / 0", "holds"))
        self.assertEqual(found["values under kills, and undisturbed"], ("the same bits", "holds"))
        other = verdicts(
            kept("kills", lost=3, doubled=1, exact=False, digest="a"),
            kept("diloco", loss=1.0, digest="b"))
        self.assertEqual(
            other["sequences lost / doubled under kills, audit"], ("3 / 1", "misses by 4"))
        self.assertEqual(other["values under kills, and undisturbed"], ("other bits", "misses"))

    def test_bytes_are_those_of_a_push_and_a_pull_a_run(self):
        # 256 tokens a batch, 50 batches a run, 1000 parameters: 3000 bytes a run.
        one = kept(
            "bytes", _filters={"push": "int8", "pull": "bf16"}, parameters=1000,
            tokens=256 * 100, pushed_bytes=2000, pulled_bytes=4400)
        found = targets.bytes_of(one)
        self.assertAlmostEqual(found["computed"], 3000 / (256 * 50))
        self.assertAlmostEqual(found["step"], 4000 / 256)
        self.assertAlmostEqual(found["computed_factor"], 66.6667, 3)
        self.assertAlmostEqual(found["counted_factor"], 4000 / 256 / (6400 / 25600))
        what = "fewer bytes a token than bf16 steps, H = 50, int8 and bf16, computed"
        self.assertEqual(verdicts(one)[what], ("66.7", "holds"))
        # Float32 is shown, and has no target.
        self.assertEqual(verdicts(kept("bytes", parameters=1, tokens=1)), {})

    def test_markets_and_speed(self):
        found = verdicts(
            kept("market", name="market-one-asp", goodput=0.96),
            kept("speed", ratios=[0.9, 0.99, 1.0], cpu_ratios=[1.0]))
        self.assertEqual(found["work that counts, one-asp"], ("0.960", "misses by 0.010"))
        self.assertEqual(
            found["speed of a copy / the loop without ebb, the example"], ("0.990 (0.900–1.000)", "holds"))


if __name__ == "__main__":
    unittest.main()
