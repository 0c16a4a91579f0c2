// The messages of the protocol as plain structs, which the cores of scheduler,
// server and client exchange. proto/ebb/v1/ is their public form on the wire,
// and rpc/ converts. docs/protocol.md says what they mean together.
//
// Every message names its job and generation. A daemon that receives one of
// another generation or term answers with its own, so that both sides converge.
#ifndef EBB_PROTOCOL_MESSAGES_H_
#define EBB_PROTOCOL_MESSAGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/filters/encoding.h"
#include "common/ids.h"
#include "common/payload.h"
#include "common/scores/figures.h"
#include "protocol/ledger.h"
#include "protocol/marks.h"
#include "protocol/peer_trouble.h"
#include "protocol/plan.h"
#include "protocol/scaled_updates.h"

namespace ebb {

// --- Worker <-> server: the data plane --------------------------------------

// The worker that sends, and how far it is: on every pull, push and clock
// message.
struct WorkerStamp {
  SessionId worker;
  ViewNumber joined;  // The view in which the worker joined; 0 outside SSP.
  // Batches of this worker that are fully acknowledged.
  int64_t clock = 0;
};

enum class Verdict : uint8_t {
  kApplied,
  kDuplicate,        // end <= mark: nothing done.
  kGap,              // begin > mark: nothing done, something is missing.
  kOverlap,          // begin < mark < end: nothing done.
  kStale,            // More updates since the pull than the job allows.
  kNotOpen,          // A later round or epoch than the open one.
  kClosed,           // Rounds: a round that is closed on every partition.
  kWrongPlacement,   // Another term, or the partition is not served here.
  kWrongGeneration,  // Another generation.
  kSuperseded,       // A newer incarnation of the worker was met.
  kBusy,             // No room now; nothing done. Try again.
  kInvalid,          // Malformed: a bug of the sender. Nothing done.
};
absl::string_view VerdictName(Verdict verdict);

// The contribution of a range of examples to rows of one sparse table.
struct PushRows {
  int32_t table = 0;  // Its place in JobPlan::sparse_tables.
  Payload keys;       // uint64, ascending, each once, all of the partition.
  // Sums over the examples: of each key its row of gradients, float32.
  Payload gradient;
};

// The contribution of a range of examples to one partition.
struct PushSegment {
  PartitionId partition;
  Term term;
  // Updates the partition had applied at the pull (PullSegment::updates).
  int64_t pulled_updates = 0;
  // Sum over the examples of the gradient, the partition's whole dense range in
  // `encoding`; or empty: no dense table is touched.
  Payload gradient;
  // JobPlan::oracle_width uint64 sums; empty when the width is 0.
  Payload oracle;
  Encoding encoding = Encoding::kFloat32;
  std::vector<PushRows> rows;  // Ascending by table, each at most once.
};

// Bytes of all values that the segment carries.
int64_t ValueBytes(const PushSegment& segment);

struct PushRequest {
  JobId job;
  Generation generation;
  WorkerStamp stamp;
  // Raised by the worker at every step back, reconnect or server restart;
  // sequence starts at 0 in each and counts this worker's pushes to this
  // server.
  int64_t incarnation = 0;
  int64_t sequence = 0;
  // The session to which the two above belong; another refuses.
  SessionId server_session;
  uint64_t layout_hash = 0;  // JobPlan::layout_hash.
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
  LedgerRow ledger;  // Counts the examples that were really read.
  // Over the examples; 0 when skipped, and -0.0 if it is not known
  // (known_loss.h).
  double loss_sum = 0;
  bool skip = false;  // The scheduler decided to skip [begin, end).
  std::vector<PushSegment> segments;
};

struct PushSegmentReply {
  PartitionId partition;
  Verdict verdict = Verdict::kApplied;
  // The partition's mark of the item, in the term of the request's segment; 0
  // if the partition did not judge by marks.
  int64_t mark = 0;
  Term term;  // The server's, or 0 where it serves none.
};

struct PushReply {
  JobId job;
  Generation generation;  // The server's.
  ServerId server;
  SessionId server_session;
  SessionId worker;
  int64_t incarnation = 0;
  int64_t sequence = 0;
  ItemId item;
  std::vector<PushSegmentReply> segments;
};

// Rows of one sparse table that are wanted.
struct PullRows {
  int32_t table = 0;
  Payload keys;  // The same form as PushRows::keys.
};

struct PullSegmentRequest {
  PartitionId partition;
  Term term;
  // PullSegment.updates of values of this term and generation that the caller
  // has: of these it needs no copy.
  std::optional<int64_t> known_updates;
  std::vector<PullRows> rows;  // Ascending by table, each at most once.
};

// Idempotent. Parked while the job's consistency demands it, then answered
// kWait after PsOptions::pull_park.
struct PullRequest {
  JobId job;
  Generation generation;
  WorkerStamp stamp;
  int64_t request = 0;  // Chosen by the worker, echoed.
  // SSP: answered when every worker in the view has reached target - bound.
  int64_t target_clock = 0;
  int64_t round = -1;    // Rounds: the value closed by round - 1.
  int64_t snapshot = 0;  // An evaluation's snapshot; 0: the live value.
  std::vector<PullSegmentRequest> segments;
  Encoding encoding = Encoding::kFloat32;  // Wanted; or float32.
  // Bytes of values in the answer at most, as the sender knows. It does not
  // travel: the transport asks for an answer in pieces by it.
  int64_t expected_bytes = 0;
};

enum class PullResult : uint8_t {
  kValues,
  kWait,       // Not yet: ask again.
  kClosed,     // Rounds: the round is closed on every partition.
  kNotInView,  // SSP: the worker is in no view; it must join again.
  kWrongPlacement,
  kWrongGeneration,
  kNoSnapshot,  // The snapshot is not (or no longer) held here.
  kInvalid,
  kUnchanged,  // The values are those the caller said that it has.
};
absl::string_view PullResultName(PullResult result);

struct PullSegment {
  PartitionId partition;
  PullResult result = PullResult::kValues;
  Term term;            // The server's, or 0.
  int64_t updates = 0;  // Applied by the partition so far.
  Payload values;       // In `encoding`, the partition's whole dense range.
  Encoding encoding = Encoding::kFloat32;
  // For each requested table, in turn: one row for each key, float32. Also with
  // kUnchanged, which is about the dense range only.
  std::vector<Payload> rows;
};

int64_t ValueBytes(const PullSegment& segment);

struct PullReply {
  JobId job;
  Generation generation;
  ServerId server;
  SessionId server_session;
  SessionId worker;
  int64_t request = 0;
  std::vector<PullSegment> segments;
  // With kNotInView: the smallest clock of the view that the server knows.
  int64_t view_clock = 0;
};

// A waiting worker repeats its clock to every server.
struct ClockUpdate {
  JobId job;
  Generation generation;
  WorkerStamp stamp;
};

// --- Server <-> server: a partition moves (docs/decisions/0006) --------------

enum class FetchResult : uint8_t {
  kOk,
  // The partition is not served here in that session, generation and term.
  kNotHere,
  kGone,  // A block is of no cut that was taken for this move.
};
absl::string_view FetchResultName(FetchResult result);

// The target of a move reads the partition from its source: first a cut, then
// its blocks, then the last cut, then the blocks that are new in it. Idempotent
// but for what a cut pins; `freeze` is for good in the source's term.
struct FetchRequest {
  JobId job;
  Generation generation;
  PartitionId partition;
  SessionId source;  // The life that serves the partition, …
  Term term;         // … and the term it does so in.
  Term new_term;     // The term of the move, which the target will serve.
  // The source applies no push any more in `term`: the cut is the last.
  bool freeze = false;
  // Numbers of blocks in the manifest of a cut fetched before; empty: fetch a
  // cut.
  std::vector<uint64_t> blocks;
  // The checksums of blocks come with them, and not in the manifest.
  bool sums_with_blocks = false;
};

struct FetchReply {
  // The server that answers; SessionId(): an older ebb does not say.
  ServerId server;
  SessionId server_session;
  FetchResult result = FetchResult::kOk;
  std::string manifest;  // The manifest of a cut (server/store/manifest.h).
  // By block, where the request has sums_with_blocks; none: an older ebb.
  std::vector<uint64_t> sums;
  Payload values;  // The floats of the blocks, one after the other.
};

// --- Rounds that are closed by operations -----------------------------------
// See docs/decisions/0016-lbfgs.md.

// A coordinator's result from the figures of a round; opaque to the cores. It
// closes the round: each partition applies it once.
struct RoundOperation {
  int64_t round = 0;
  std::string operation;
};

// Figures that a partition computes from a round's whole sum.
struct RoundFigures {
  int64_t round = 0;
  std::vector<double> values;
};

// --- Server -> scheduler -----------------------------------------------------

// Most versions that a server reports of a partition to the scheduler.
inline constexpr size_t kMostReportedVersions = 1000;

struct PartitionRegistration {
  PartitionId partition;
  Term term;  // Served; or the highest stored or seen.
  bool serving = false;
  std::string marks;  // MarkSet::Encode; empty where unknown.
  std::string durable_marks;
  // Decided by some scheduler, and in the values: a decision is not forgotten
  // with the scheduler's store.
  std::vector<SkippedRange> skipped;
  int64_t oldest_round = 0;  // Rounds: the oldest whose value it still has.
  // The sound versions of the line that are stored, ascending, the newest
  // kMostReportedVersions at most; their rounds count in rounds only.
  std::vector<RoundVersion> stored;
  // The term of the newest version stored here in the present generation, else
  // of the one that it started from; 0: there is none. A server with that
  // version may go on from it.
  Term stored_term;
  // Applied, and needed by partitions that are behind, or for the next.
  std::vector<RoundOperation> operations;
};

// The damage that a server found in its own store, in this life of the server.
// All zero and empty: none.
struct StoreDamage {
  // Times that the server rebuilt its store from the sound parts.
  int64_t rescues = 0;
  // The damage at the last rescue, the place of the damaged files now, and the
  // number of sound versions in them.
  std::string found;
  std::string set_aside;
  int64_t versions_kept = 0;
  // Stored versions that could not be used: older ones, or copies, stand in.
  int64_t versions_lost = 0;
  std::string last_lost;  // Which, and why; of the last one.

  bool any() const { return rescues > 0 || versions_lost > 0; }
  friend bool operator==(const StoreDamage&, const StoreDamage&) = default;
};

// Replaces whatever was believed of the partitions it names.
struct JobRegistration {
  JobRecordPtr record;
  Generation generation;
  RollbackRecord rollback;
  std::vector<PartitionRegistration> partitions;
};

struct RegisterServer {
  ServerId server;
  SessionId session;
  std::string address;  // Workers reach it there.
  int64_t process_id = 0;
  std::vector<ServerId> known_servers;
  std::vector<JobRegistration> jobs;
  // Names the folder that all its versions are copied to, in which any server
  // that has it, too, finds them; empty: there is none.
  std::string shared_folder;
  bool leaving = false;  // The server leaves: see ServerLeaving.
  StoreDamage store_damage;
  // Names the store of its own: a new one, as after its disk was lost, has
  // another name. Empty: it has none, or an older ebb does not say.
  std::string store;
};

// After a grant was taken (or refused: with what the server knows instead).
struct RegisterPartitions {
  SessionId session;
  JobRegistration job;
};

struct PartitionMarkReport {
  PartitionId partition;
  Term term;
  std::vector<ItemMark> marks;  // The marks that changed since the last report.
  std::vector<ItemMark> durable;
  // The same as in PartitionRegistration, if it changed; else empty.
  std::vector<RoundVersion> stored;
  // Figures of the open round, which waits for its operation, if they are new.
  std::optional<RoundFigures> figures;
  // Applied since the last report.
  std::vector<RoundOperation> operations;
};
struct MarkReport {
  SessionId session;
  JobId job;
  Generation generation;
  std::vector<PartitionMarkReport> partitions;
};

// The server lacks a view that a worker named.
struct ViewRequest {
  JobId job;
};

struct SnapshotReply {
  JobId job;
  Generation generation;
  int64_t snapshot = 0;
  std::vector<std::pair<PartitionId, Term>> partitions;  // Pinned.
  // The lowest number of examples below the marks of any of them.
  int64_t examples = 0;
};

// The training loss over the applied examples of an epoch.
struct EpochLossSum {
  int32_t epoch = 0;
  double loss_sum = 0;
  int64_t examples = 0;
};
// Bytes of the values that travelled between workers and servers, and of the
// same values as float32.
struct Traffic {
  int64_t pushed = 0;
  int64_t pushed_as_floats = 0;
  int64_t pulled = 0;
  int64_t pulled_as_floats = 0;

  Traffic& operator+=(const Traffic& other) {
    pushed += other.pushed;
    pushed_as_floats += other.pushed_as_floats;
    pulled += other.pulled;
    pulled_as_floats += other.pulled_as_floats;
    return *this;
  }
};
// The kind of a server's problem.
enum class ServerProblem : uint8_t {
  kOther,
  kMemory,  // No room for a job's values.
  kDisk,    // Its state cannot be written.
  // Partitions wait for what they begin with.
  kInitialValues,
};
// Facts about a server for people; sent now and then.
struct ServerStatistics {
  SessionId session;
  JobId job;
  int64_t updates = 0;             // Pushes applied, all partitions.
  std::vector<int64_t> staleness;  // Histogram: index is the staleness.
  // By the server of partition 0: of the latest pushes, whether they were
  // reported before or not.
  double loss_sum = 0;
  int64_t loss_examples = 0;
  std::string problem;  // E.g. "disk full"; empty: none.
  // Pushes refused for want of room since the last report, and why the last.
  int64_t refused_pushes = 0;
  std::string refusal;
  // By the server of partition 0: epochs that changed since the last report.
  std::vector<EpochLossSum> losses;
  // The subject of `problem`.
  ServerProblem problem_kind = ServerProblem::kOther;
  // SSP: by how many batches a pull that was answered was ahead of the slowest
  // worker, at most; of all since the server began with the job.
  int64_t clock_lead = 0;
  Traffic traffic;           // Since the last report.
  StoreDamage store_damage;  // In the server's life, of all jobs.
  ScaledUpdates scaled;      // Covers the updates in `staleness`.
  // By the server of partition 0, of a job with clocks: how long workers with
  // nothing else to do waited since the last report, as a clock bound parked
  // their pulls. Absent: the server does not measure it.
  std::optional<absl::Duration> bound_wait;
};

// The server is going: it has written its last cut.
struct ServerGoodbye {
  SessionId session;
};

// A server that serves no job, and has nothing else to say, is there.
struct ServerAlive {
  SessionId session;
};

// The server was told to end: its partitions go to others, if there are any.
// Answered with LeaveNow when nothing more will be taken from it.
struct ServerLeaving {
  SessionId session;
};

// The target of a move is at work: a sign of life; or it has given up.
struct MoveProgress {
  SessionId session;
  JobId job;
  Generation generation;
  PartitionId partition;
  Term term;  // The term of the move.
  // It serves the partition. No server took a push for `paused`; in `stored` of
  // that time the copy was stored. Zero: it does not serve it yet.
  absl::Duration paused;
  absl::Duration stored;
  std::string failed;  // Why it gave up; empty: it goes on.
  // Calls to the source fail; its ServerId is for the scheduler to find.
  std::optional<PeerTrouble> unreached;
};

// The target of a move has all of one partition, durable as version 0 of the
// move's term. It serves it once PartitionMoved says so.
struct MovedIn {
  SessionId session;
  JobRegistration job;
};

// --- Scheduler -> server -----------------------------------------------------

struct PartitionGrant {
  PartitionId partition;
  Term term;
  Term parent;  // The last term that registered; 0: none.
};
// Void in any session but the one named.
struct Grant {
  ServerId server;
  SessionId session;
  JobRecordPtr record;
  Generation generation;
  RollbackRecord rollback;
  std::vector<PartitionGrant> partitions;
  // All servers of the cluster: a scheduler that lost its store hears of them
  // from any one server.
  std::vector<ServerId> known_servers;
};

// Fetch a partition from another server, store it as version 0 of the term, and
// say MovedIn. Void in any session but the one named.
struct MoveIn {
  ServerId server;
  SessionId session;
  JobRecordPtr record;
  Generation generation;
  RollbackRecord rollback;
  std::vector<ServerId> known_servers;
  PartitionId partition;
  Term term;
  SessionId source;            // The life that serves it now, …
  std::string source_address;  // … where, …
  Term source_term;            // … and in which term.
  // The server of that life; nullopt: an older ebb does not say.
  std::optional<ServerId> source_server;
};

// A partition has an owner under a term. The server that has the copy of this
// very term is the owner, and serves it. Any other server forgets what it has
// of older terms.
struct PartitionMoved {
  JobId job;
  Generation generation;
  PartitionId partition;
  Term term;
  ServerId owner;
};

// The scheduler takes nothing more from a server that is leaving.
struct LeaveNow {
  SessionId session;
};

struct ViewMember {
  SessionId worker;
  ViewNumber joined;
  int64_t start_clock = 0;
};
struct ViewUpdate {
  JobId job;
  Generation generation;
  ViewNumber number;
  std::vector<ViewMember> members;
};

struct RoundStatus {
  JobId job;
  Generation generation;
  int64_t closed_everywhere = 0;   // Rounds below it are closed everywhere.
  int64_t durable_everywhere = 0;  // … and durable everywhere.
};

// The operation for every partition here that waits for it.
struct ApplyOperation {
  JobId job;
  Generation generation;
  RoundOperation operation;
};

struct CheckpointNow {
  JobId job;
};
struct TakeSnapshot {
  JobId job;
  Generation generation;
  int64_t snapshot = 0;
};
struct DropSnapshot {
  JobId job;
  int64_t snapshot = 0;
};
// The job is complete: every partition keeps its newest durable version for
// good.
struct JobCompleted {
  JobId job;
  Generation generation;
};
// The job is no longer wanted here: the server forgets it and its versions.
struct ForgetJob {
  JobId job;
  bool keep_versions = false;  // The stored versions of the job stay.
};

// Another process has the server's id. It may try again; or, `displaced`, its
// place was taken while it was not heard of, and it must end.
struct RefuseServer {
  bool displaced = false;
  std::string reason;  // For people.
};

// --- Worker -> scheduler -----------------------------------------------------

struct HeldItem {
  JobId job;
  Generation generation;
  ItemId item;
  int64_t skips = 0;  // The same as in Lease.
};
struct RegisterWorker {
  SessionId session;
  std::string name;
  int64_t process_id = 0;
  std::vector<HeldItem> held;   // Leases it works under since before.
  int64_t clock = 0;            // SSP: -1 if it was in no view.
  JobId only_job;               // It takes items of this job only; 0: of any.
  bool no_evaluations = false;  // It cannot evaluate.
  int64_t examples = 0;         // The same as in Progress.
};
// "I could take `items` more": parked until there are some. 0: it leaves.
struct LeaseRequest {
  SessionId session;
  int32_t items = 1;
};
// Renews leases; sent whenever something advanced, is loading or is parked.
struct Progress {
  SessionId session;
  JobId job;
  Generation generation;
  ItemId item;
  int64_t position = 0;  // Lowest mark of the item.
  int64_t clock = 0;
  int64_t examples = 0;      // Computed so far by this session.
  bool parked = false;       // Waits at a server for other workers.
  bool not_in_view = false;  // A server said so: the worker is to join, ...
  int64_t view_clock = 0;    // ... there, as that server says, or later.
  int64_t batch = 0;         // The begin of the item's batch in work.
  bool awaits = false;       // The worker begins it when a lease says `begins`.
  int64_t skips = 0;         // The same as in Lease.
};
enum class LeaseEnd : uint8_t {
  kDone,      // A hint: every partition answered that the item is full.
  kReturned,  // Drained; goes on where it stopped.
  kRefused,   // A round was closed or not open.
  kFailed,    // The computation failed: counts towards quarantine.
};
struct ItemEnd {
  SessionId session;
  JobId job;
  Generation generation;
  ItemId item;
  LeaseEnd end = LeaseEnd::kDone;
  int64_t position = 0;  // kFailed: where the failing batch begins.
  int64_t failed_end = 0;
  bool non_finite = false;
  std::string error;
  int64_t examples = 0;  // The same as in Progress.
  // kFailed: a message of the job is over a limit, and will always be.
  bool over_limit = false;
};
// Sent when a server of the job does not answer, and when it does again.
struct PlacementRequest {
  SessionId session;
  JobId job;
  // The job's servers that the worker has not reached for a while, all of them.
  std::vector<PeerTrouble> unreached;
  // The worker computes without them for now (ConsistencyPlan::local_steps).
  bool goes_on = false;
};
struct EvaluationResult {
  SessionId session;
  JobId job;
  Generation generation;
  int64_t snapshot = 0;
  std::string error;  // Empty: the figures below hold.
  int64_t examples = 0;
  double loss_sum = 0;
  int64_t correct = 0;  // -1: no classification.
  Figures figures;      // Empty: of an ebb that made none.
};
struct WorkerGoodbye {
  SessionId session;
};
// The answer to WatchData.
struct DataReached {
  SessionId session;
  JobId job;
  // So many examples of the job, of all epochs, are there; maybe no more than
  // before.
  int64_t examples = 0;
  bool ended = false;  // There will be no more.
};

// --- Scheduler -> worker -----------------------------------------------------

struct Lease {
  JobRecordPtr record;
  Generation generation;
  ItemId item;
  absl::Duration ttl;
  std::vector<int64_t> hints;  // Marks by partition; may be wrong.
  ViewNumber joined;           // SSP.
  int64_t start_clock = 0;
  std::vector<SkippedRange> skipped;  // Ranges of this item.
  double rate_factor = 1;             // The same as in RollbackRecord.
  // A worker died on the item. While a worker holds such a lease, it begins
  // each batch, of any item, when the scheduler answered its Progress.
  bool careful = false;
  bool begins = false;  // It is that answer: ...
  int64_t batch = 0;    // ... the worker may begin this batch.
  // So many skips of the job were decided before.
  int64_t skips = 0;
  // So many examples of the item are there, if data grows. The worker
  // returns the item when it has the whole batches of them.
  int64_t reached = 0;
};
struct EvaluationLease {
  JobRecordPtr record;
  Generation generation;
  int64_t snapshot = 0;
  int32_t epoch = 0;
};
// The worker no longer holds the item (its lease ran out, the job ended).
struct LeaseLost {
  JobId job;
  Generation generation;
  ItemId item;
  // It holds no item of the job any more, nor what it pulled for them.
  bool all = false;
};

// Data grows: the worker looks for examples beyond the first `known` of
// the job, and answers with DataReached, when there are some or after a while.
struct WatchData {
  JobRecordPtr record;
  int64_t known = 0;
};

struct PartitionPlace {
  PartitionId partition;
  ServerId server;
  SessionId server_session;
  Term term;
};
struct ServerAddress {
  ServerId server;
  std::string address;
};
struct Placement {
  JobId job;
  Generation generation;
  std::vector<PartitionPlace> partitions;  // The partitions served now.
  std::vector<ServerAddress> servers;
};

using ServerToScheduler =
    std::variant<RegisterServer, RegisterPartitions, MarkReport, ViewRequest,
                 SnapshotReply, ServerStatistics, ServerGoodbye, ServerAlive,
                 ServerLeaving, MoveProgress, MovedIn>;
using SchedulerToServer =
    std::variant<Grant, ViewUpdate, RoundStatus, CheckpointNow, TakeSnapshot,
                 DropSnapshot, JobCompleted, ForgetJob, RefuseServer, MoveIn,
                 PartitionMoved, LeaveNow, ApplyOperation>;
using WorkerToScheduler =
    std::variant<RegisterWorker, LeaseRequest, Progress, ItemEnd,
                 PlacementRequest, EvaluationResult, WorkerGoodbye,
                 DataReached>;
using SchedulerToWorker =
    std::variant<Lease, EvaluationLease, LeaseLost, Placement, WatchData>;

}  // namespace ebb

#endif  // EBB_PROTOCOL_MESSAGES_H_
