#include "common/plant.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ebb {

namespace {

// tools/lint/check_plants.py compares it with the hooks in the sources.
constexpr Plant kPlants[] = {
    {"any_store_is_taken_for_its_own",
     "a new scheduler gives a server's place to a process whose store is "
     "another"},
    {"best_version_deleted_by_retention",
     "the version that is kept goes when newer ones are stored"},
    {"best_version_is_not_the_best",
     "the version of each evaluation is kept, better or not"},
    {"cached_rows_count_as_new",
     "a push from rows that were pulled before names the newest values as what "
     "it was computed from"},
    {"cached_rows_of_any_age",
     "a worker computes from rows that it has, however long"},
    {"cached_rows_outlive_their_term",
     "a worker computes from rows of a term that has ended"},
    {"change_is_not_stored",
     "a scheduler stores the generation of a changed job, and not the change"},
    {"claim_after_the_read",
     "a new owner of a partition in a bucket looks what is there, and claims "
     "it "
     "then"},
    {"clock_bound_off_by_one", "a pull is answered one clock too early"},
    {"clocks_are_sent_once",
     "a worker says its clock with a pull, and not again while it waits"},
    {"complete_when_applied",
     "a job is complete before its last examples are durable"},
    {"contributions_lie_elsewhere",
     "rows of contributions come back older than their counts, as if they lay "
     "in another partition"},
    {"copy_is_stored_again",
     "the target of a move stores its copy a second time when it serves it"},
    {"dead_worker_kept_in_the_minimum",
     "a worker that left the view still holds the others back"},
    {"deletes_unchecked",
     "an owner deletes in a bucket without looking for newer claims"},
    {"done_is_believed",
     "an item that its worker calls done is never opened again"},
    {"durable_before_a_version_of_the_term",
     "durable marks are reported before the term has a version of its own"},
    {"durable_confused_with_applied", "what is applied is reported as durable"},
    {"each_server_skips_by_itself",
     "a server leaves out a batch that it finds too old"},
    {"end_before_all_is_stored",
     "the end of a job is decided when what partitions have is not stored yet"},
    {"end_below_a_mark",
     "a job on data that grows is finished at a place that partitions are "
     "beyond"},
    {"end_without_new_terms",
     "the end of a job is decided while pushes of before still count"},
    {"ended_job_goes_on",
     "items of the next round are leased though an operation ended the job"},
    {"evaluation_outlives_its_session",
     "who registers anew is waited for as if it still evaluated"},
    {"every_failed_lease_counts",
     "leases that end while a server is away count towards quarantine"},
    {"factor_not_in_registration",
     "a server does not say at what part of its rate a job trains"},
    {"feeds_behind_the_end",
     "a feeder puts objects behind the one that ends a set"},
    {"floor_not_read_after_a_put",
     "a feeder does not look whether a floor makes its put void"},
    {"folder_of_now_is_trusted",
     "what is durable is taken for being where its owner copies to now"},
    {"frozen_rows_take_a_step",
     "workers push rows of frozen tables, and servers step them"},
    {"frozen_source_goes_on",
     "the source of a move goes on applying pushes after its last cut"},
    {"frozen_table_takes_a_step", "a step changes the values of frozen tables"},
    {"gap_accepted", "a push beyond the mark is applied"},
    {"gap_never_lowers_the_mark",
     "a worker does not believe a partition that has less than it thought"},
    {"given_up_move_draws_no_term",
     "the source of a move that was given up goes on under its old term"},
    {"goes_on_behind_anothers_object",
     "a feeder whose place is taken goes on as if it had put that object"},
    {"grants_not_tied_to_a_session",
     "a grant to another life of the server is taken"},
    {"helped_item_stays_shut",
     "an item that was leased to two is not opened again when both are gone"},
    {"idle_worker_stays_in_view",
     "a worker that waits for data holds up those that have some"},
    {"inherits_all_there_are",
     "a new owner inherits every version that lies in the bucket"},
    {"initial_rows_are_left_out",
     "a partition begins with the values of a file, and not with its rows"},
    {"initial_state_is_left_out",
     "a partition begins with the values of a file, and not with its slots"},
    {"initial_values_are_guessed",
     "a partition whose initial values cannot be fetched begins with others"},
    {"items_reopen_only_until_completion",
     "a complete job stays complete when a server comes back with less"},
    {"last_operation_is_dropped",
     "a partition keeps an operation no longer than the value that it changed"},
    {"late_copy_is_committed",
     "a move that was given up is committed when its copy is there after all"},
    {"late_manifest_counts",
     "a version in a bucket exists, whenever a former owner wrote it"},
    {"lost_offsets_are_not_named",
     "a feeder passes over offsets that its source deleted, and does not say "
     "so"},
    {"lost_rows_count_as_stored",
     "the next version is written as if one that could not be were stored"},
    {"manifest_before_its_values",
     "a version is put into a bucket before its values"},
    {"mark_not_checked", "a push is applied whatever the mark says"},
    {"mark_stored_apart",
     "marks are stored apart from the values: the newest with any version"},
    {"marks_do_not_know_rounds",
     "a push is judged by its mark alone, not by its round"},
    {"moment_of_a_dead_worker_counts",
     "a run goes on from the inner state that a run before it left"},
    {"object_has_its_own_ends_only",
     "an object names the ends of the partitions in it, not of all"},
    {"old_pulls_count", "a clock counts that was sent in an older view"},
    {"older_contribution_replaces_newer",
     "a row of an epoch replaces that of a later one"},
    {"older_store_believed",
     "a scheduler starts from its store without waiting for the servers"},
    {"open_statistic_is_read",
     "a partition measures the sum of a round without its last items"},
    {"operation_applied_twice", "what closes a round changes the slots twice"},
    {"operations_not_registered",
     "a new scheduler is not told the operations that partitions applied"},
    {"other_session_is_another_server",
     "a worker takes a server that restarted for another one at once"},
    {"own_run_counts_twice",
     "a run begins where the worker's run before it began, and pushes both"},
    {"pull_of_a_closed_round_parks",
     "a pull of a closed round waits instead of ending the lease"},
    {"push_applied_twice",
     "the first push of an item counts twice, as after a lost mark check"},
    {"push_half_applied", "the values of a push are lost, its ledger is not"},
    {"push_lost", "the first push of an item moves the mark and nothing else"},
    {"registration_lowers_nothing",
     "a scheduler keeps higher marks than a server registers"},
    {"replaced_row_not_subtracted",
     "counts get what a new row has, and keep what the row before had"},
    {"retention_by_count",
     "versions that are not stored yet push out the last that is"},
    {"rollback_names_no_versions",
     "a rollback does not say which versions the job goes on from"},
    {"round_read_from_the_future",
     "a pull of a round gets the newest values, whatever their round"},
    {"rounds_keep_only_the_open_value",
     "the value of a round is dropped when the partition closes it"},
    {"rows_not_applied", "a push is applied without its rows"},
    {"run_counts_without_its_tail",
     "a run that was cut short names all examples of the whole run"},
    {"scheduler_ignores_newer_generations",
     "a scheduler does not adopt a newer generation"},
    {"second_process_is_let_in",
     "a second process with a server's id takes its place, and nobody says so"},
    {"sequence_numbers_without_incarnation",
     "pushes are put in order by their numbers alone"},
    {"server_keeps_the_plan_of_before",
     "a server of a changed job goes on with the plan that it knew"},
    {"server_without_its_folder_is_let_in",
     "a server gets back partitions that only a folder has which it has not"},
    {"share_begins_where_the_partition_is",
     "what was kept for a server that was away is pushed as from where that "
     "comes back"},
    {"short_run_weighs_as_a_whole",
     "a run of fewer examples has the weight of a whole one"},
    {"skip_is_not_settled",
     "a batch is skipped that was applied before the servers were asked"},
    {"skip_leaves_out_the_run",
     "a skip leaves out the run in which a batch fails, not the batch alone"},
    {"snapshot_not_pinned", "an evaluation reads the newest values"},
    {"stale_window_cache",
     "a worker takes a window that it has for the one that another epoch has "
     "at the same place"},
    {"statistics_divided_by_the_batch",
     "a statistic of a short batch is divided by the size of a whole one"},
    {"statistics_of_a_run_count_once",
     "the statistics of several batches in one push move the average like one"},
    {"statistics_shortened_as_late",
     "a statistic that comes late moves the average less"},
    {"stopped_job_goes_on",
     "items of the next epoch are leased before the evaluation that ends the "
     "job"},
    {"tail_completes_the_job",
     "a job without an end is complete when all data that is there is applied"},
    {"takeover_without_copies",
     "a partition is taken over by a server that does not have its copies"},
    {"task_result_of_its_worker",
     "a task that is computed again has other bytes, because its result "
     "depends "
     "on the worker"},
    {"terms_reused", "a new term is the one above those that are known"},
    {"timeout_is_no_broken_stream",
     "a worker goes on when a push was not answered"},
    {"unknown_append_is_put_anew",
     "lines that may be in the set already are put again in another place"},
    {"unknown_put_is_done", "a feeder takes a put without an answer for done"},
    {"update_outlives_its_term",
     "an update that runs when a term ends is committed under the next"},
    {"value_dropped_when_closed",
     "the value of a round is dropped when the round is closed everywhere, not "
     "when it is durable"},
    {"values_copied_after_the_marks",
     "a cut has the values of now with the marks of the cut before"},
    {"versions_of_dead_generations_count",
     "a load takes the newest version, of whatever generation"},
    {"watch_duty_is_lost",
     "nobody looks for more data since the worker that did is gone"},
    {"window_passed_over_for_ever",
     "a window is left to the worker that had it, also if that is gone"},
};

// Set before anything runs; programs of tests only.
const Plant* planted = nullptr;

}  // namespace

std::span<const Plant> Plants() { return kPlants; }

absl::string_view PlantedBug() {
  return planted == nullptr ? absl::string_view() : planted->name;
}

absl::Status PlantBug(absl::string_view name) {
  if (name.empty()) {
    planted = nullptr;
    return absl::OkStatus();
  }
  const auto it =
      std::find_if(std::begin(kPlants), std::end(kPlants),
                   [&](const Plant& plant) { return plant.name == name; });
  if (it == std::end(kPlants)) {
    return absl::NotFoundError(absl::StrCat(
        "there is no bug ", name, " to plant; --list names those there are"));
  }
  planted = it;
  return absl::OkStatus();
}

}  // namespace ebb
