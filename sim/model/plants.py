"""The weaker rules that can be planted into the models of runs.

`PLANTED` has those that common/plant.cc is to have, too, when there is code.
`WEAKER` has others: rules that look as good, and are wrong.
"""

PLANTED = {
    "run_counts_without_its_tail":
        "a run that was cut short names all examples of the whole run",
    "moment_of_a_dead_worker_counts":
        "a run goes on from the inner state that a run before it left",
    "short_run_weighs_as_a_whole":
        "a run of fewer examples has the weight of a whole one",
    "own_run_counts_twice":
        "the own last run is added to pulled values that have it already",
    "skip_leaves_out_the_run":
        "a skip leaves out the run in which a batch fails, not the batch alone",
}

WEAKER = {
    "death_names_what_was_heard_last":
        "a death is booked at the batch of the last report, which may be older",
    "own_run_is_added_until_the_answer":
        "the own last run is added as long as its push is not answered",
    "own_run_is_added_below_its_end":
        "the own last run is added if the pulled mark is below its end",
    "change_is_from_what_was_pulled":
        "a run pushes the way from the pulled values, which lack the own last run",
    "skip_without_new_terms":
        "a skip is decided without new terms",
    "skip_is_not_heard_with_the_terms":
        "a worker may learn new terms before it hears of the skip",
    "leaver_pushes_a_part_in_rounds":
        "a worker that leaves pushes a part of a round's item",
    "round_closes_without_an_item":
        "a round is closed when all but one of its items are there",
    "values_are_kept_over_a_skip":
        "in rounds a worker keeps values that were pulled before a skip",
    "short_round_makes_a_whole_step":
        "the short last round of an epoch is divided by its own examples",
}


def check(name):
    """Raises ValueError if there is no such rule; "" is the right model."""
    if name and name not in PLANTED and name not in WEAKER:
        raise ValueError(f"there is no weaker rule {name!r}; there are: "
                         + ", ".join(sorted({**PLANTED, **WEAKER})))
