"""The weaker rules that can be planted into the models of the growing set."""

CHAIN = {
    "put_replaces": "a put replaces an object that is there",
    "group_is_believed": "a feeder goes on from the offsets of the consumer group",
    "seeks_on": "a feeder seeks to the first offset, and names nothing lost",
    "reads_past_stable": "a feeder reads messages of open transactions",
    "range_begins_at_message": "a range begins at its first message",
    "hole_ends_the_range": "a range ends after the first marker, with all messages",
    "unknown_is_done": "a put without an answer counts as done",
    "two_under_way": "a feeder puts two places at a time",
    "goes_on_after_exists":
        "a feeder whose place is taken puts what it has at the next",
    "ends_of_its_own_ranges": "an object names the ends of its own ranges alone",
    "new_partition_begins_at_its_end":
        "a partition that no object names begins with what comes next",
    "feeds_on_after_end": "a feeder that begins does not look whether there is an end",
    "end_is_told_before_it_is_there": "an end is told before its put is answered",
    "padding_is_not_counted": "the next number does not count absent ones",
    "flags_override_about": "a feeder with other settings goes by its own",
    "about_is_believed_without_an_answer":
        "a feeder goes by the settings that it tried to put into `about`",
    "anchors_are_not_compared": "a feeder believes that a topic never loses entries",
    "anchor_alone_is_compared":
        "a feeder compares the last message, and not that nothing follows it "
        "below the end",
    "leader_is_compared_before_the_fetch_alone":
        "a fetch counts, though another broker leads since the comparison",
    "topic_is_compared_by_anchors_alone":
        "a topic of the same name counts as the same, if the anchor is gone",
}

PLAN = {
    "tail_completes_the_job": "a job is complete when it has all below the tail",
    "end_below_a_mark": "the end is where it was asked for, whatever marks say",
    "end_without_new_terms": "the end is decided by marks of the present terms",
    "end_keeps_old_leases":
        "a worker whose lease the decision ended may learn the new terms",
    "end_is_decided_without_an_away_partition":
        "the decision does not wait for each partition to register",
    "end_told_before_it_is_durable": "the end is told, then stored",
    "workers_hear_of_the_end_before_servers":
        "a shorter plan is worked on before each server has it",
    "end_object_below_a_finish_is_ignored":
        "a job with a decided end does not look whether the set ends before",
    "idle_worker_stays_in_view": "a worker that gives its item back stays in the view",
    "waiting_item_gets_a_backup": "an item that waits for data counts as slow",
    "leases_what_is_not_there": "an item is leased when its first batch may come",
    "order_of_the_wrong_epoch": "an item's place does not count that epochs end",
    "watch_duty_is_lost": "the duty of a worker that died is given to no other",
    "stored_full_mark_is_called_damaged":
        "a stored mark is compared with the plan that has no end",
}

DELETION = {
    "deletes_below_the_newest_version":
        "a job needs what its newest version lacks, and no more",
    "rollback_target_not_counted": "the version that a rollback names does not count",
    "best_version_not_counted": "the best version does not count",
    "served_values_not_counted":
        "a job needs what its versions lack, though it may serve an older one",
    "an_away_server_not_counted": "versions of a server that is away do not count",
    "record_rises_before_the_versions_go":
        "a record rises before the versions that it leaves out are deleted",
    "reader_after_the_floor": "a job looks at the floor, then writes its record",
    "readers_not_read_after_the_floor":
        "the deleter looks at the readers before it writes the floor alone",
    "floor_after_the_delete": "objects are deleted before the floor is there",
    "floor_not_read_after_a_put": "a feeder believes that a put counts",
    "newest_is_searched_from_zero": "the newest object is searched from place 0 on",
    "newest_object_goes": "the floor may be above the newest object",
    "end_goes_with_retention": "the end may be deleted",
    "forgotten_reader_reads_on":
        "a job does not look whether its record was forgotten",
    "reader_looks_above_the_newest_floor":
        "a reader looks for its number above the newest floor alone",
}

LEDGER = {
    "prefix_takes_a_doubled_epoch":
        "an epoch is complete when its rows have no fewer than is planned",
    "prefix_out_of_order": "the prefix takes an epoch before the one below",
    "prefix_forgets_a_skip": "the prefix does not say what decisions left out of it",
    "prefix_swallows_what_comes_later":
        "a push of a merged epoch changes the ledger no more",
    "row_is_exact_by_its_count": "an item is folded when its count is right",
    "open_row_is_compared_by_its_count":
        "the open item may have any of its numbers, if not too many",
}

FOLLOWER = {
    "follower_mixes_versions": "a partition's generation is what its own server stored",
    "follower_swaps_one_by_one": "each partition is shown as soon as it is loaded",
    "follower_goes_back": "what can be read is shown, also if it is older",
    "shows_what_is_not_durable":
        "a manifest counts, though a newer term may not go on from it",
    "late_manifests_count": "the newest version counts, whatever `inherits` says",
}

#: Rules that the models can do without.
NOT_NEEDED = {
    "end_is_not_on_the_grid": "the end that was asked for is not rounded up",
    "floor_not_read_after_the_search":
        "the newest place counts, though the floor moved meanwhile",
}

ALL = {**CHAIN, **PLAN, **DELETION, **LEDGER, **FOLLOWER,
       **NOT_NEEDED}


def check(name):
    """Raises ValueError if there is no such rule; "" is the right model."""
    if name and name not in ALL:
        raise ValueError(f"there is no weaker rule {name!r}; there are: "
                         + ", ".join(sorted(ALL)))
