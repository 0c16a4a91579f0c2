// The fields of the protocol's structs that travel in the scheduler's streams
// or are stored (field_list.h). The order is that in which a reader checks them
// and, for what is stored, that of the stored form.
#ifndef EBB_PROTOCOL_MESSAGE_FIELDS_H_
#define EBB_PROTOCOL_MESSAGE_FIELDS_H_

#include <utility>

#include "common/ids.h"
#include "common/scores/figures.h"
#include "protocol/field_list.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb {

template <>
inline constexpr size_t kFlattened<RoundVersion> = 1;  // rounds
template <>
inline constexpr size_t kFlattened<JobPlan> = 1;  // filters
template <>
inline constexpr size_t kFlattened<PeerTrouble> = 1;  // why

namespace fields {

// --- Items, versions and records ---------------------------------------------

EBB_FIELDS(epoch, shard);
Fields<epoch, shard> FieldsOf(For<ItemId>);

EBB_FIELDS(count, hash);
Fields<count, hash> FieldsOf(For<LedgerRow>);

EBB_FIELDS(item, begin, end);
Fields<item, begin, end> FieldsOf(For<SkippedRange>);

EBB_FIELD(mark);
Fields<item, mark> FieldsOf(For<ItemMark>);

EBB_FIELDS(job, generation, partition, term, sequence);
Fields<job, generation, partition, term, sequence> FieldsOf(For<VersionKey>);

EBB_FIELD_AT(oldest_round_of_span, rounds.oldest, oldest_round);
EBB_FIELD_AT(open_round, rounds.open, open_round);
EBB_FIELD(key);
Fields<key, oldest_round_of_span, open_round> FieldsOf(For<RoundVersion>);

EBB_FIELDS(versions, rate_factor, nonfinite);
Fields<versions, Apart<rate_factor>, Apart<nonfinite>> FieldsOf(
    For<RollbackRecord>);

EBB_FIELDS(kind, clock_bound, round_items, rounds_in_memory,
           max_staleness_updates, local_steps);
Fields<kind, clock_bound, round_items, rounds_in_memory, max_staleness_updates,
       Since<3, local_steps>>
    FieldsOf(For<ConsistencyPlan>);

EBB_FIELDS(threshold, share);
Fields<kind, threshold, share> FieldsOf(For<Filter>);

EBB_FIELDS(width, cache_rows, cache_batches);
Fields<width, Since<8, clock_bound>, Since<10, kind>, Since<11, cache_rows>,
       Since<11, cache_batches>>
    FieldsOf(For<SparseTablePlan>);

EBB_FIELDS(push_batches, pull_batches, pulls_to_push, worker_vectors,
           keeps_effect, operated, runs);
Fields<push_batches, pull_batches, pulls_to_push, worker_vectors, keeps_effect,
       Since<9, operated>, Since<13, runs>>
    FieldsOf(For<AlgorithmPlan>);

EBB_FIELDS(factor, most);
Fields<factor, versions, most> FieldsOf(For<NonfiniteRollback>);

EBB_FIELD_AT(push_filter, filters.push, push_filter);
EBB_FIELD_AT(pull_filter, filters.pull, pull_filter);
EBB_FIELDS(epochs, examples, shard_size, batch_by_epoch, seed, layout_hash,
           parameters, block_floats, partitions, cut_floats, oracle_width,
           sparse_tables, consistency, min_workers, max_workers, evaluate_every,
           quarantine_after, on_poison, on_nonfinite, nonfinite_rollback,
           checkpoint_interval_ms, checkpoint_keep, priority, algorithm);
EBB_FIELDS(grows, last_epoch_examples);
Fields<epochs, examples, shard_size, batch_by_epoch, seed, layout_hash,
       parameters, block_floats, partitions, Since<12, cut_floats>,
       oracle_width, consistency, min_workers, max_workers, evaluate_every,
       quarantine_after, on_poison, on_nonfinite, checkpoint_interval_ms,
       checkpoint_keep, Since<2, priority>, Since<4, push_filter>,
       Since<4, pull_filter>, Since<5, sparse_tables>, Since<6, algorithm>,
       Since<7, nonfinite_rollback>, Since<14, grows>,
       Since<14, last_epoch_examples>>
    FieldsOf(For<JobPlan>);

EBB_FIELDS(id, name, plan, specification);
Fields<id, name, plan, specification> FieldsOf(For<JobRecord>);

EBB_FIELD(value);
Fields<name, value> FieldsOf(For<Figure>);

EBB_FIELDS(predicted, observed);
Fields<examples, predicted, observed> FieldsOf(For<CalibrationBin>);

EBB_FIELDS(named, confusion, calibration);
Fields<named, confusion, Apart<calibration>> FieldsOf(For<Figures>);

// --- Server -> scheduler -----------------------------------------------------

EBB_FIELDS(rescues, found, set_aside, versions_kept, versions_lost, last_lost);
Fields<rescues, found, set_aside, versions_kept, versions_lost, last_lost>
    FieldsOf(For<StoreDamage>);

EBB_FIELDS(round, operation, values);
Fields<round, operation> FieldsOf(For<RoundOperation>);
Fields<round, values> FieldsOf(For<RoundFigures>);

EBB_FIELDS(serving, marks, durable_marks, skipped, oldest_round, stored,
           stored_term, operations);
Fields<partition, term, serving, marks, durable_marks, skipped, oldest_round,
       stored, stored_term, operations>
    FieldsOf(For<PartitionRegistration>);

EBB_FIELDS(record, rollback);
Fields<record, generation, rollback, partitions> FieldsOf(For<JobRegistration>);

EBB_FIELDS(server, session, address, process_id, known_servers, jobs,
           shared_folder, leaving, store_damage, store);
Fields<server, session, address, process_id, known_servers, jobs, shared_folder,
       leaving, store_damage, store>
    FieldsOf(For<RegisterServer>);
Fields<session, job> FieldsOf(For<RegisterPartitions>);

EBB_FIELDS(durable, figures);
Fields<partition, term, marks, durable, stored, figures, operations> FieldsOf(
    For<PartitionMarkReport>);
Fields<session, job, generation, partitions> FieldsOf(For<MarkReport>);
Fields<job> FieldsOf(For<ViewRequest>);

EBB_FIELD_AT(first_partition, first, partition);
EBB_FIELD_AT(second_term, second, term);
Fields<first_partition, second_term> FieldsOf(
    For<std::pair<PartitionId, Term>>);
EBB_FIELD(snapshot);
Fields<job, generation, snapshot, partitions, examples> FieldsOf(
    For<SnapshotReply>);

EBB_FIELD(loss_sum);
Fields<epoch, loss_sum, examples> FieldsOf(For<EpochLossSum>);

EBB_FIELDS(pushed, pushed_as_floats, pulled, pulled_as_floats);
Fields<pushed, pushed_as_floats, pulled, pulled_as_floats> FieldsOf(
    For<Traffic>);

EBB_FIELDS(updates, scaled, to_nothing, factor_sum, scaled_staleness);
Fields<updates, scaled, to_nothing, factor_sum, scaled_staleness> FieldsOf(
    For<ScaledUpdates>);

EBB_FIELD_AT(bound_wait, bound_wait, bound_wait_us);
EBB_FIELDS(staleness, loss_examples, problem, refused_pushes, refusal, losses,
           problem_kind, clock_lead, traffic);
Fields<session, job, updates, staleness, loss_sum, loss_examples, problem,
       refused_pushes, refusal, losses, problem_kind, clock_lead, traffic,
       store_damage, scaled, bound_wait>
    FieldsOf(For<ServerStatistics>);
Fields<session> FieldsOf(For<ServerGoodbye>);
Fields<session> FieldsOf(For<ServerAlive>);
Fields<session> FieldsOf(For<ServerLeaving>);

EBB_FIELD_AT(lasts, lasts, lasts_ms);
EBB_FIELD_AT(cause, why.cause, cause);
EBB_FIELD_AT(text, why.text, text);
EBB_FIELD(attempts);
Fields<server, session, address, lasts, attempts, cause, text> FieldsOf(
    For<PeerTrouble>);

EBB_FIELD_AT(paused, paused, paused_us);
EBB_FIELD_AT(stored_in, stored, stored_us);
EBB_FIELDS(failed, unreached);
Fields<session, job, generation, partition, term, paused, stored_in, failed,
       unreached>
    FieldsOf(For<MoveProgress>);
Fields<session, job> FieldsOf(For<MovedIn>);

// --- Scheduler -> server -----------------------------------------------------

EBB_FIELD(parent);
Fields<partition, term, parent> FieldsOf(For<PartitionGrant>);
Fields<server, session, record, generation, rollback, partitions, known_servers>
    FieldsOf(For<Grant>);

EBB_FIELDS(source, source_address, source_term, source_server);
Fields<server, session, record, generation, rollback, known_servers, partition,
       term, source, source_address, source_term, source_server>
    FieldsOf(For<MoveIn>);

EBB_FIELD(owner);
Fields<job, generation, partition, term, owner> FieldsOf(For<PartitionMoved>);
Fields<session> FieldsOf(For<LeaveNow>);

EBB_FIELDS(worker, joined, start_clock, number, members);
Fields<worker, joined, start_clock> FieldsOf(For<ViewMember>);
Fields<job, generation, number, members> FieldsOf(For<ViewUpdate>);

EBB_FIELDS(closed_everywhere, durable_everywhere);
Fields<job, generation, closed_everywhere, durable_everywhere> FieldsOf(
    For<RoundStatus>);
Fields<job, generation, operation> FieldsOf(For<ApplyOperation>);

Fields<job> FieldsOf(For<CheckpointNow>);
Fields<job, generation, snapshot> FieldsOf(For<TakeSnapshot>);
Fields<job, snapshot> FieldsOf(For<DropSnapshot>);
Fields<job, generation> FieldsOf(For<JobCompleted>);
EBB_FIELD(keep_versions);
Fields<job, keep_versions> FieldsOf(For<ForgetJob>);
EBB_FIELDS(displaced, reason);
Fields<displaced, reason> FieldsOf(For<RefuseServer>);

// --- Worker -> scheduler -----------------------------------------------------

EBB_FIELDS(held, clock, only_job, no_evaluations, skips);
Fields<job, generation, item, skips> FieldsOf(For<HeldItem>);
Fields<session, name, process_id, held, clock, only_job, no_evaluations,
       examples>
    FieldsOf(For<RegisterWorker>);
EBB_FIELD(items);
Fields<session, items> FieldsOf(For<LeaseRequest>);

EBB_FIELDS(position, parked, not_in_view, view_clock, batch, awaits);
Fields<session, job, generation, item, position, clock, examples, parked,
       not_in_view, view_clock, batch, awaits, skips>
    FieldsOf(For<Progress>);

EBB_FIELDS(failed_end, non_finite, error, over_limit);
Fields<session, job, generation, item, end, position, failed_end, non_finite,
       error, examples, over_limit>
    FieldsOf(For<ItemEnd>);

EBB_FIELD(goes_on);
Fields<session, job, unreached, goes_on> FieldsOf(For<PlacementRequest>);
EBB_FIELD(correct);
Fields<session, job, generation, snapshot, error, examples, loss_sum, correct,
       figures>
    FieldsOf(For<EvaluationResult>);
Fields<session> FieldsOf(For<WorkerGoodbye>);
EBB_FIELD(ended);
Fields<session, job, examples, ended> FieldsOf(For<DataReached>);

// --- Scheduler -> worker -----------------------------------------------------

EBB_FIELD_AT(ttl, ttl, ttl_ms);
EBB_FIELDS(hints, careful, begins, reached);
Fields<record, generation, item, ttl, hints, joined, start_clock, skipped,
       rate_factor, careful, begins, batch, skips, reached>
    FieldsOf(For<Lease>);
Fields<record, generation, snapshot, epoch> FieldsOf(For<EvaluationLease>);
EBB_FIELD(all);
Fields<job, generation, item, all> FieldsOf(For<LeaseLost>);

EBB_FIELD(known);
Fields<record, known> FieldsOf(For<WatchData>);

EBB_FIELDS(server_session, servers);
Fields<partition, server, server_session, term> FieldsOf(For<PartitionPlace>);
Fields<server, address> FieldsOf(For<ServerAddress>);
Fields<job, generation, partitions, servers> FieldsOf(For<Placement>);

// --- Streams: the messages in the order of the variants ----------------------

EBB_FIELDS(register_server, register_partitions, mark_report, view_request,
           snapshot_reply, statistics, goodbye, alive, move_progress, moved_in);
Fields<register_server, register_partitions, mark_report, view_request,
       snapshot_reply, statistics, goodbye, alive, leaving, move_progress,
       moved_in>
    FieldsOf(For<ServerToScheduler>);

EBB_FIELDS(grant, view, checkpoint, take_snapshot, drop_snapshot, completed,
           forget, refuse, move_in, partition_moved, leave, apply_operation);
Fields<grant, view, round, checkpoint, take_snapshot, drop_snapshot, completed,
       forget, refuse, move_in, partition_moved, leave, apply_operation>
    FieldsOf(For<SchedulerToServer>);

EBB_FIELDS(register_worker, lease_request, progress, item_end,
           placement_request, evaluation_result, data_reached);
Fields<register_worker, lease_request, progress, item_end, placement_request,
       evaluation_result, goodbye, data_reached>
    FieldsOf(For<WorkerToScheduler>);

EBB_FIELDS(lease, evaluation, lost, placement, watch_data);
Fields<lease, evaluation, lost, placement, watch_data> FieldsOf(
    For<SchedulerToWorker>);

}  // namespace fields
}  // namespace ebb

#endif  // EBB_PROTOCOL_MESSAGE_FIELDS_H_
