#include "worker/engine/engine.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "client/float_pool.h"
#include "client/found_job.h"
#include "client/hand_in.h"
#include "client/item_orders.h"
#include "client/job_computer.h"
#include "client/leased_items.h"
#include "client/pulled_values.h"
#include "common/fd.h"
#include "common/mutex.h"
#include "common/payload.h"
#include "common/program/ignored_signals.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "glog/logging.h"
#include "rpc/admin.h"
#include "worker/engine/batch_keys.h"
#include "worker/engine/conversation.h"
#include "worker/engine/job_tables.h"
#include "worker/engine/look_ahead.h"
#include "worker/engine/messages.h"
#include "worker/engine/program_joining.h"
#include "worker/engine/program_log.h"
#include "worker/engine/program_memory.h"
#include "worker/engine/program_rows.h"
#include "worker/engine/program_socket.h"
#include "worker/engine/row_memory.h"
#include "worker/engine/told_rows.h"

namespace ebb::worker {

namespace {

using client::ComputeResult;
using client::ComputeTask;
using client::EvaluateTask;

constexpr absl::Duration kFirstPatience = absl::Milliseconds(100);
constexpr absl::Duration kLongestPatience = absl::Milliseconds(500);
constexpr absl::Duration kAnswerIn = absl::Seconds(2);
constexpr absl::Duration kLookForNotices = absl::Seconds(1);
constexpr absl::Duration kDrainStep = absl::Milliseconds(50);
// The core mostly offers at once what was handed in early.
constexpr absl::Duration kOfferedWithin = absl::Milliseconds(500);

EvaluationResult ResultOf(const Evaluated& evaluated) {
  EvaluationResult result;
  result.error = evaluated.error;
  result.examples = evaluated.body.examples;
  result.loss_sum = evaluated.body.loss_sum;
  result.correct = evaluated.body.correct;
  result.figures.named = evaluated.figures;
  return result;
}

// There is one more size only with each power of two, so that buffers are used
// again.
int64_t RoomForRows(int64_t floats) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(floats)));
}

PlaceBody PlaceOfRun(const client::LeasedItems::Run& run) {
  return {run.item.epoch, run.item.shard, run.begin, run.end};
}

// SIGTERM as a file. It is blocked already.
Fd TermSignals() {
  const sigset_t signals = NotIgnored({SIGTERM});
  return Fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

// The engine at work on its job. The shell's computing thread offers batches
// and waits. Meanwhile it makes the next batch ready, and gives it ahead. Then
// this thread takes the sums that the program hands in, too, while the program
// computes the next batch. Its thread for rows finds them, or leaves it to the
// caller of Serve to do so when the program tells of them. The caller of Serve
// reads the program's requests, and it alone ends batches that are out. The
// thread that gives one ends it if its values cannot be had. A thread of the
// engine's own asks whether the job is over while there is nothing to do.
class Engine : private client::JobComputer {
 public:
  // All but the second outlive it.
  Engine(const EngineOptions& options, JoinedProgram joined,
         ProgramSocket* socket, const Fd& signals, rpc::Transport* transport)
      : options_(options),
        record_(
            std::make_shared<const JobRecord>(std::move(joined.job.record))),
        tables_(*record_),
        steps_(tables_.ProgramsStep()),
        evaluates_(joined.hello.evaluates != 0),
        memory_(std::move(joined.memory)),
        look_ahead_(record_->plan, options.look_ahead
                                       ? tables_.Momenta()
                                       : std::vector<MomentumRun>()),
        socket_(*socket),
        signals_(signals),
        admin_(std::move(joined.admin)),
        pool_(/*keep=*/4, options.heap),
        orders_(record_->plan, tables_.window()),
        conversation_(joined.hello.first_ticket),
        rows_(&record_->plan) {
    if (joined.job.end != client::JobEnd::kNotYet) {
      End(joined.job.end);
      return;
    }
    client::ClientShellOptions shell = options_.shell;
    shell.core.only_job = record_->id;
    shell.core.no_evaluations = !evaluates_;
    const std::string left_out = client::EvaluationsLeftToOthers(*record_);
    LOG_IF(WARNING, !evaluates_ && !left_out.empty()) << left_out;
    shell.core.batch_patience = options_.patience;
    shell.core.evaluates_whole = true;
    // Its rows are in a memory of their own, which has room for one batch. And
    // a run that goes on needs no values.
    shell.core.assembles_next = !has_rows() && !steps_;
    client::JobComputer* const computer = this;
    shell_ = std::make_unique<client::ClientShell>(std::move(shell), transport,
                                                   computer);
    watch_ = std::thread([this] { Watch(); });
  }

  ~Engine() override {
    if (watch_.joinable()) watch_.join();
    shell_.reset();
  }

  // Until it has left.
  void Serve();

 private:
  bool has_rows() const { return !record_->plan.sparse_tables.empty(); }
  // Returns nothing if the program does not step by itself.
  std::optional<PartOfRun> PartOf(const ComputeTask& task) const {
    if (!steps_) return std::nullopt;
    return PartOfRun{.goes_on = task.gathered > 0, .ends = task.push};
  }

  absl::Status Prepare(const JobRecordPtr& record) override;
  int64_t held_bytes() const override { return look_ahead_.bytes(); }
  ComputeResult Compute(const ComputeTask& task) override;
  void Expect(const client::PulledValuesPtr& values) override;
  std::optional<EvaluationResult> Evaluate(const EvaluateTask& task) override;
  void EvaluationLost() override;
  void FindRowsLater(const client::FindRows& batch,
                     const RowsFound& found) override;

  // --- What the program says -------------------------------------------------
  void Answer(const Request& request);
  void Reply(uint64_t sequence, const Hello& hello);
  void Reply(uint64_t sequence, const Memory& memory);
  void Reply(uint64_t sequence, const Order& order);
  void Reply(uint64_t sequence, const Ahead& ahead);
  void Reply(uint64_t sequence, const Push& push);
  void Reply(uint64_t sequence, const Stepped& stepped);
  void Reply(uint64_t sequence, const Rows& rows);
  void Reply(uint64_t sequence, const LookUp& look_up);
  void Reply(uint64_t sequence, const RowMemoryBody& body);
  void Reply(uint64_t sequence, const Model& model);
  void Reply(uint64_t sequence, const ModelTable& table);
  void Reply(uint64_t sequence, const Found& found);
  template <typename Body>
  void Reply(uint64_t sequence, const Body& body);

  // Offers a batch or an evaluation, and waits for its result; nothing: the
  // engine leaves.
  std::optional<Result> Offer(const Work& work);
  // Blocks until what is offered has ended. Makes the next batch ready.
  void AwaitEnd();
  bool Ended() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return leaving_ || conversation_.has_ended();
  }
  // Not before the program has what is offered: it may still compute a stale
  // batch in the other half.
  bool MayMakeReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return conversation_.takes_ready() && !expected_.expired();
  }
  // Puts the values of the next batch into the memory, beside the one that is
  // out, and gives it ahead.
  void MakeReady(const client::PulledValuesPtr& values);
  // Puts the values into the memory, and answers the program that waits.
  void GiveAndAnswer(const Work& work);
  // Takes what was handed in, and answers.
  ComputeResult Take(const HandedIn& handed_in);
  // The same of a batch that is not offered yet.
  void TakeEarly(const HandedIn& handed_in);
  absl::Status TakeSums(const HandedIn& handed_in, ComputeResult* result);
  // Into `out`; returns what is not finite, or nothing.
  std::string TakeRowSums(const Work& work, std::span<float> out) const;
  // What is offered is over, unless it is already.
  void Finish(Result result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    conversation_.Finish(std::move(result));
    changed_.SignalAll();
  }
  void FinishFailed(const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    conversation_.FinishFailed(why);
    changed_.SignalAll();
  }

  void End(client::JobEnd end);
  double RateFactorOf(const ComputeTask& task) const;
  void Watch();
  // How the program is there meanwhile.
  enum class Program { kWaits, kGoesOn, kIsGone };
  void Leave(absl::string_view why, Program program);
  // It died, or closed its end unasked.
  void Abandoned(absl::string_view why) { Leave(why, Program::kIsGone); }
  // The program computes the batch with which its run ends, if there is time.
  void EndRun(absl::Time deadline);

  const EngineOptions& options_;
  const JobRecordPtr record_;
  const JobTables tables_;
  const bool steps_;  // The program, by itself, in runs.
  const bool evaluates_;
  // Each half is used by the thread that gives, or takes, what is there.
  ProgramMemory memory_;
  LookAhead look_ahead_;  // Used by the thread that gives.
  ProgramSocket& socket_;
  const Fd& signals_;
  const std::unique_ptr<rpc::SchedulerAdminClient> admin_;
  client::FloatPool pool_;
  client::ItemOrders orders_;  // Used by the caller of Serve only.
  Fd received_;                // Used by it, too; came with the last request.

  Mutex mu_;
  CondVar changed_;  // Wakes the computing thread; and Leave.
  CondVar left_;     // Wakes Watch, which a batch does not concern.
  Conversation conversation_ ABSL_GUARDED_BY(mu_);
  // The values of the next batch. Not held, for the servers' blocks lie behind
  // them.
  std::weak_ptr<const client::PulledValues> expected_ ABSL_GUARDED_BY(mu_);
  ProgramRows rows_ ABSL_GUARDED_BY(mu_);
  bool leaving_ ABSL_GUARDED_BY(mu_) = false;

  std::thread watch_;
  // Last: its threads use the rest. Null: the job is over.
  std::unique_ptr<client::ClientShell> shell_;
};

// --- The shell's side --------------------------------------------------------

absl::Status Engine::Prepare(const JobRecordPtr& record) {
  if (record->id == record_->id) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "this program computes job ", record_->name, ", not job ", record->name));
}

// Programs that step by themselves know neither rollbacks nor where a run
// begins.
double Engine::RateFactorOf(const ComputeTask& task) const {
  if (!steps_) return task.rate_factor;
  const int64_t batch = task.gathered / task.record->plan.BatchSize(task.item);
  return task.rate_factor * tables_.RunFactor(batch);
}

ComputeResult Engine::Compute(const ComputeTask& task) {
  const PlaceBody place = {task.item.epoch, task.item.shard, task.begin,
                           task.end};
  {
    MutexLock lock(&mu_);
    conversation_.set_steps({RateFactorOf(task), task.record->plan.epochs});
  }
  std::optional<Result> result =
      Offer({place, task.values, nullptr, PartOf(task)});
  // What was handed in counts, even if the job is left in the same moment.
  if (result) return std::get<ComputeResult>(*std::move(result));
  ComputeResult cancelled;
  cancelled.cancelled = true;
  return cancelled;
}

std::optional<EvaluationResult> Engine::Evaluate(const EvaluateTask& task) {
  if (task.values->rows != nullptr && task.values->rows->last) {
    MutexLock lock(&mu_);
    return rows_.TakeResult();
  }
  std::optional<Result> result =
      Offer({EvaluateBody{0, task.snapshot}, task.values});
  if (result) return std::get<EvaluationResult>(*std::move(result));
  EvaluationResult left;
  left.error = "the program left";
  return left;
}

// The part that was out has ended. So a program that is in the middle of the
// evaluation looks up rows, and would wait for a part that never comes.
void Engine::EvaluationLost() {
  std::string answer;
  {
    MutexLock lock(&mu_);
    rows_.ForgetEvaluation();
    answer = conversation_.LoseLookUp();
  }
  if (!answer.empty()) socket_.Send(answer);
}

std::optional<Result> Engine::Offer(const Work& work) {
  Decision decision;
  {
    MutexLock lock(&mu_);
    if (leaving_) return std::nullopt;
    if (work.is_batch()) {
      decision = conversation_.Offer(std::get<PlaceBody>(work.what),
                                     work.values, work.part);
      if (expected_.lock() == work.values) expected_.reset();
      changed_.SignalAll();
    } else {
      decision =
          conversation_.Offer(std::get<EvaluateBody>(work.what), work.values);
    }
  }
  if (decision.act == Decision::Act::kGive) {
    GiveAndAnswer(work);
  } else if (!decision.answer.empty()) {
    socket_.Send(decision.answer);
  }
  AwaitEnd();
  std::optional<HandedIn> handed_in;
  {
    MutexLock lock(&mu_);
    handed_in = conversation_.TakeHandedIn();
  }
  std::optional<Result> taken;
  if (handed_in) taken = Take(*handed_in);
  MutexLock lock(&mu_);
  std::optional<Result> result = conversation_.Withdraw();
  return taken ? std::move(taken) : std::move(result);
}

void Engine::AwaitEnd() {
  for (;;) {
    client::PulledValuesPtr next;
    {
      MutexLock lock(&mu_);
      while (!Ended() && !MayMakeReady()) changed_.Wait(&mu_);
      if (Ended()) return;
      next = std::exchange(expected_, {}).lock();
    }
    if (next != nullptr) MakeReady(next);
  }
}

void Engine::Expect(const client::PulledValuesPtr& values) {
  if (has_rows() || steps_) return;
  MutexLock lock(&mu_);
  expected_ = values;
  changed_.SignalAll();
}

void Engine::MakeReady(const client::PulledValuesPtr& values) {
  const auto runs = shell_->Ahead(record_->id, 1);
  if (runs.empty()) return;
  int half = 0;
  {
    MutexLock lock(&mu_);
    half = 1 - conversation_.half();
  }
  // An error is told when their batch is offered.
  if (!look_ahead_.Assemble(*values, memory_.values(half)).ok()) return;
  memory_.GiveSums(half);
  std::string answer;
  {
    MutexLock lock(&mu_);
    answer = conversation_.Ready(PlaceOfRun(runs.front()), half, values);
  }
  if (!answer.empty()) socket_.Send(answer);
}

void Engine::GiveAndAnswer(const Work& work) {
  const client::PulledValuesPtr& values = work.values;
  const bool goes_on = work.part && work.part->goes_on;
  // No sums were taken since the run began.
  if (!goes_on) memory_.GiveSums();
  // What is evaluated is what the servers have.
  absl::Status given =
      goes_on ? absl::OkStatus()
      : work.is_batch()
          ? look_ahead_.Assemble(*values, memory_.values())
          : client::Assemble(record_->plan, *values, memory_.values());
  std::shared_ptr<const RowMemory> rows;
  std::string counts;
  if (given.ok() && has_rows()) {
    {
      MutexLock lock(&mu_);
      rows = rows_.memory();
    }
    given = GiveRows(*values, rows.get());
    counts = KeysOf(*values).Counts();
  }
  std::string answer;
  {
    MutexLock lock(&mu_);
    // In one step, so that the other thread does not begin to give it again.
    if (!given.ok()) return FinishFailed(std::string(given.message()));
    answer = conversation_.Given(counts, std::move(rows));
    changed_.SignalAll();
  }
  if (!answer.empty()) socket_.Send(answer);
}

// --- Rows --------------------------------------------------------------------

void Engine::FindRowsLater(const client::FindRows& batch,
                           const RowsFound& found) {
  client::BatchRowsPtr part;
  std::optional<ToldRows::Told> told;
  std::string answer;
  {
    MutexLock lock(&mu_);
    if (batch.test) {
      part = rows_.NextPart(batch);
    } else {
      told = rows_.Find({batch, found});
      if (!told) answer = conversation_.Want(PlaceOf(batch));
    }
  }
  if (!answer.empty()) socket_.Send(answer);
  if (part != nullptr) {
    found(part);
  } else if (told) {
    found(RowsOf(record_->plan, batch, *told));
  }
}

void Engine::Reply(uint64_t sequence, const RowMemoryBody& body) {
  auto memory = RowMemory::Map(received_.get(), body);
  const absl::Status status = memory.status();
  if (status.ok()) {
    MutexLock lock(&mu_);
    rows_.set_memory(*std::move(memory));
  }
  socket_.Send(EncodeStatus(sequence, status));
}

void Engine::Reply(uint64_t sequence, const Rows& rows) {
  ToldRows::Told told = {rows.place, {}, rows.failed};
  absl::Status status;
  std::optional<ProgramRows::Awaited> awaited;
  {
    MutexLock lock(&mu_);
    if (!rows.failed) {
      auto keys = rows_.Keys(rows.counts);
      status = keys.status();
      if (keys.ok()) told.keys = *std::move(keys);
    }
    if (status.ok()) awaited = rows_.Tell(&told);
    if (awaited) conversation_.Unwant();
  }
  socket_.Send(EncodeStatus(sequence, status));
  if (awaited) awaited->found(RowsOf(record_->plan, awaited->batch, told));
}

// The part that is out ends, and the core asks for the rows of the next.
void Engine::Reply(uint64_t sequence, const LookUp& look_up) {
  absl::StatusOr<std::vector<std::vector<uint64_t>>> read;
  {
    MutexLock lock(&mu_);
    read = rows_.Keys(look_up.counts);
  }
  if (!read.ok()) return socket_.Send(EncodeStatus(sequence, read.status()));
  auto keys = std::make_shared<const BatchKeys>(record_->plan, *read);
  std::string answer;
  {
    MutexLock lock(&mu_);
    const Decision decision = conversation_.On(sequence, look_up);
    answer = decision.answer;
    if (decision.act == Decision::Act::kLookUp) {
      rows_.LookUp(std::move(keys));
      Finish(EarlierPart());
    }
  }
  if (!answer.empty()) socket_.Send(answer);
}

// --- The program's side ------------------------------------------------------

void Engine::Answer(const Request& request) {
  std::visit([&](const auto& body) { Reply(request.sequence, body); },
             request.body);
  if (!std::holds_alternative<Push>(request.body) || request.code != kAsks) {
    return;
  }
  std::string answer;
  {
    MutexLock lock(&mu_);
    answer = conversation_.AskEarly(request.sequence + 1);
    if (conversation_.is_out()) changed_.SignalAll();
  }
  socket_.Send(answer);
}

void Engine::Reply(uint64_t sequence, const Order& order) {
  const auto most = static_cast<int64_t>(kMostNumbers);
  int64_t end = order.end;
  if (order.begin >= 0 && end > order.begin) {
    end = order.begin + std::min(end - order.begin, most);
  }
  const auto numbers =
      orders_.ExamplesAt({order.epoch, order.shard}, order.begin, end);
  if (!numbers.ok()) {
    return socket_.Send(EncodeStatus(sequence, numbers.status()));
  }
  socket_.Send(EncodeBytes({Kind::kNumbers, 0, sequence},
                           std::as_bytes(std::span<const int64_t>(*numbers))));
}

void Engine::Reply(uint64_t sequence, const Ahead& ahead) {
  const auto most = std::min<uint64_t>(ahead.most, kMostPlaces);
  std::vector<PlaceBody> places;
  if (shell_ != nullptr && most > 0) {
    std::optional<PlaceBody> early;
    {
      MutexLock lock(&mu_);
      // The core counts what is offered as begun.
      if (const auto place = conversation_.offered()) places.push_back(*place);
      early = conversation_.begun_early();
    }
    for (const auto& run : shell_->Ahead(record_->id, most + 1)) {
      const PlaceBody place = PlaceOfRun(run);
      // It does not count what is not offered yet.
      if (early && SamePlace(*early, place)) continue;
      if (places.size() < most) places.push_back(place);
    }
  }
  socket_.Send(EncodeBytes({Kind::kPlaces, 0, sequence},
                           std::as_bytes(std::span<const PlaceBody>(places))));
}

void Engine::Reply(uint64_t sequence, const Hello& /*hello*/) {
  socket_.Send(EncodeStatus(
      sequence, absl::FailedPreconditionError("the job is joined already")));
}

void Engine::Reply(uint64_t sequence, const Memory& /*memory*/) {
  Reply(sequence, Hello());
}

void Engine::Reply(uint64_t sequence, const Model& /*model*/) {
  socket_.Send(EncodeStatus(sequence, absl::FailedPreconditionError(
                                          "the job has its tables already")));
}

void Engine::Reply(uint64_t sequence, const ModelTable& /*table*/) {
  Reply(sequence, Model());
}

void Engine::Reply(uint64_t sequence, const Found& /*found*/) {
  Reply(sequence, Model());
}

void Engine::Reply(uint64_t sequence, const Push& push) {
  Decision decision;
  {
    MutexLock lock(&mu_);
    decision = conversation_.On(sequence, push);
    if (decision.act == Decision::Act::kTakeSums && conversation_.has_next()) {
      conversation_.HandIn(*std::move(decision.handed_in));
      changed_.SignalAll();
      return;
    }
  }
  if (decision.act == Decision::Act::kTakeEarlySums) {
    return TakeEarly(*decision.handed_in);
  }
  if (decision.act == Decision::Act::kTakeSums) {
    // The program gets nothing meanwhile, and this thread is awake already.
    ComputeResult result;
    const absl::Status taken = TakeSums(*decision.handed_in, &result);
    decision.answer = EncodeStatus(sequence, taken);
    MutexLock lock(&mu_);
    Finish(std::move(result));
  }
  if (push.waits && !decision.answer.empty()) socket_.Send(decision.answer);
}

void Engine::Reply(uint64_t sequence, const Stepped& stepped) {
  Decision decision;
  {
    MutexLock lock(&mu_);
    decision = conversation_.On(sequence, stepped);
    if (decision.act == Decision::Act::kEndStepped) {
      std::string why = stepped.not_finite;
      if (why.empty() && !std::isfinite(stepped.body.loss_sum)) {
        why = absl::StrCat("the loss is ", stepped.body.loss_sum);
      }
      const auto& place = std::get<PlaceBody>(conversation_.work().what);
      if (why.empty()) {
        Finish(client::StepOfRun(record_->plan, {place.epoch, place.shard},
                                 place.begin, place.end,
                                 stepped.body.loss_sum));
      } else {
        Finish(FailedBatch(why, /*non_finite=*/true));
        decision.answer = EncodeStatus(sequence, absl::OutOfRangeError(why));
      }
    }
  }
  socket_.Send(decision.answer);
}

ComputeResult Engine::Take(const HandedIn& handed_in) {
  ComputeResult result;
  const absl::Status status = TakeSums(handed_in, &result);
  if (handed_in.waits) {
    socket_.Send(EncodeStatus(handed_in.sequence, status));
  }
  return result;
}

void Engine::TakeEarly(const HandedIn& handed_in) {
  ComputeResult result = Take(handed_in);
  MutexLock lock(&mu_);
  conversation_.EarlyTaken(handed_in.body.ticket, std::move(result));
  changed_.SignalAll();
}

template <typename Body>
void Engine::Reply(uint64_t sequence, const Body& body) {
  Decision decision;
  Work work;
  {
    MutexLock lock(&mu_);
    decision = conversation_.On(sequence, body);
    if (decision.act == Decision::Act::kGive) work = conversation_.work();
    // What was ready is out now: the one after it may be made ready.
    if (conversation_.is_out()) changed_.SignalAll();
  }
  switch (decision.act) {
    case Decision::Act::kNothing:
    case Decision::Act::kEndEarlyFailed:
      break;
    case Decision::Act::kGive:
      return GiveAndAnswer(work);
    case Decision::Act::kTakeSums:
    case Decision::Act::kTakeEarlySums:
    case Decision::Act::kEndEarly:
    case Decision::Act::kEndStepped:
      break;  // Not here.
    case Decision::Act::kEndFailed: {
      MutexLock lock(&mu_);
      FinishFailed(decision.why);
      break;
    }
    case Decision::Act::kEndEvaluated:
      if constexpr (std::is_same_v<Body, Evaluated>) {
        EvaluationResult result = ResultOf(body);
        MutexLock lock(&mu_);
        if (rows_.any() && result.error.empty()) {
          rows_.Ended(std::exchange(result, EarlierPart()));
        }
        Finish(std::move(result));
      }
      break;
    case Decision::Act::kLookUp:
      break;  // LookUp has an overload of its own.
    case Decision::Act::kLeave:
      Leave("the program leaves", Program::kWaits);
      decision.answer = EncodeBytes({Kind::kDone, kTaken, sequence});
      break;
  }
  if (!decision.answer.empty()) socket_.Send(decision.answer);
}

absl::Status Engine::TakeSums(const HandedIn& handed_in,
                              ComputeResult* result) {
  const JobPlan& plan = record_->plan;
  const Work& work = handed_in.work;
  const double loss_sum = handed_in.body.loss_sum;
  const int64_t rows = has_rows() ? KeysOf(*work.values).floats() : 0;
  client::FloatBufferPtr buffer =
      pool_.Take(plan.parameters + (rows == 0 ? 0 : RoomForRows(rows)));
  const std::span<float> dense = buffer->span().first(plan.parameters);
  std::string why;
  const auto factor = static_cast<float>(handed_in.body.factor);
  if (const auto odd = memory_.TakeSums(dense, handed_in.half, factor)) {
    why = absl::StrCat("the gradient of ", tables_.NameOf(*odd), " is ",
                       dense[*odd]);
  }
  if (rows > 0) {
    std::string of_rows =
        TakeRowSums(work, buffer->span().subspan(plan.parameters, rows));
    if (why.empty()) why = std::move(of_rows);
  }
  if (why.empty() && !std::isfinite(loss_sum)) {
    why = absl::StrCat("the loss is ", loss_sum);
  }
  if (!why.empty()) {
    *result = FailedBatch(why, /*non_finite=*/true);
    return absl::OutOfRangeError(why);
  }
  const auto& place = std::get<PlaceBody>(work.what);
  *result = client::HandIn(plan, {place.epoch, place.shard}, place.begin,
                           place.end, std::move(buffer), loss_sum);
  if (has_rows()) {
    const int64_t bytes = plan.parameters * int64_t{sizeof(float)};
    const Payload all = std::exchange(result->gradient, Payload());
    result->gradient = all.Sub(0, bytes);
    result->rows =
        KeysOf(*work.values).Pushes(all.Sub(bytes, all.size() - bytes));
  }
  return absl::OkStatus();
}

std::string Engine::TakeRowSums(const Work& work, std::span<float> out) const {
  const BatchKeys& keys = KeysOf(*work.values);
  // It was given in this memory.
  const auto parts = work.rows->PartsOf(keys.entries(), keys.floats());
  if (!parts.ok()) return std::string(parts.status().message());
  const std::optional<int64_t> odd = MoveSums(parts->sums, out);
  if (!odd) return "";
  const auto [table, key] = keys.NameOf(*odd);
  return absl::StrCat("the gradient of row ", key, " of ",
                      tables_.RowTable(table), " is ", out[*odd]);
}

// --- The end -----------------------------------------------------------------

void Engine::End(client::JobEnd end) {
  std::string answer;
  {
    MutexLock lock(&mu_);
    answer = conversation_.End(end == client::JobEnd::kComplete
                                   ? EndReason::kComplete
                                   : EndReason::kCancelled);
  }
  if (!answer.empty()) socket_.Send(answer);
}

// A job that was forgotten is over, too.
void Engine::Watch() {
  absl::Duration patience = kFirstPatience;
  for (;;) {
    {
      MutexLock lock(&mu_);
      const absl::Time ask_at = SteadyNow() + patience;
      while (!leaving_ && SteadyNow() < ask_at) {
        left_.WaitFor(&mu_, ask_at - SteadyNow());
      }
      if (leaving_) return;
      if (!conversation_.starved()) {
        patience = kFirstPatience;
        continue;
      }
    }
    const auto end = client::AskForEnd(admin_.get(), record_->id, kAnswerIn);
    if (absl::IsNotFound(end.status())) {
      End(client::JobEnd::kCancelled);
    } else if (end.ok() && *end != client::JobEnd::kNotYet) {
      End(*end);
    }
    patience = std::min(2 * patience, kLongestPatience);
  }
}

void Engine::EndRun(absl::Time deadline) {
  while (SteadyNow() < deadline && !shell_->Drain(absl::ZeroDuration())) {
    switch (socket_.Wait(signals_.get(), kDrainStep)) {
      case ProgramSocket::Event::kNothing:
        continue;
      case ProgramSocket::Event::kMessage:
        break;
      default:
        return;
    }
    auto received = socket_.Receive();
    if (absl::IsUnavailable(received.status())) continue;
    if (!received.ok()) return;
    received_ = std::move(received->file);
    const auto request = ReadRequest(received->bytes);
    if (!request.ok()) return;
    if (std::holds_alternative<worker::Leave>(request->body)) return;
    Answer(*request);
  }
}

void Engine::Leave(absl::string_view why, Program program) {
  LOG(INFO) << "worker=" << options_.shell.core.name << " leaves: " << why;
  {
    // What was handed in counts, if it is still this worker's. What a program
    // died of may be a batch that it began early.
    MutexLock lock(&mu_);
    const auto awaits_offer = [this, program] {
      mu_.AssertHeld();
      return conversation_.awaits_offer() ||
             (program == Program::kIsGone && !conversation_.offered() &&
              conversation_.begun_early());
    };
    const absl::Time give_up =
        SteadyNow() + std::min(kOfferedWithin, options_.grace);
    while (awaits_offer() && SteadyNow() < give_up) {
      changed_.WaitFor(&mu_, give_up - SteadyNow());
    }
  }
  // First the core, so that it begins nothing new when it gets back what it
  // waits for.
  const absl::Time deadline = SteadyNow() + options_.grace;
  if (shell_ != nullptr) shell_->BeginDrain();
  // In rounds it drops the run.
  if (shell_ != nullptr && program == Program::kGoesOn && steps_ &&
      !record_->plan.rounds()) {
    EndRun(deadline - options_.grace / 4);  // Items go back in the rest.
  }
  {
    MutexLock lock(&mu_);
    // Else a batch that kills its programs would go on to kill them.
    if (program == Program::kIsGone && conversation_.is_out()) {
      FinishFailed("the program that computed it died");
    }
    leaving_ = true;
    changed_.SignalAll();
    left_.SignalAll();
  }
  bool drained = shell_ == nullptr;
  while (!drained && SteadyNow() < deadline) {
    drained = shell_->Drain(std::min(kDrainStep, deadline - SteadyNow()));
    signalfd_siginfo again = {};
    // A second signal ends it at once.
    if (read(signals_.get(), &again, sizeof(again)) > 0) break;
  }
  if (!drained) {
    LOG(WARNING) << "worker=" << options_.shell.core.name
                 << " was not done after " << options_.grace
                 << "; others will see what is missing";
  }
  std::string answer;
  {
    MutexLock lock(&mu_);
    answer = conversation_.End(EndReason::kLeft);
  }
  socket_.Tell(answer.empty()
                   ? EncodeBytes({Kind::kEnd,
                                  static_cast<uint32_t>(EndReason::kLeft), 0})
                   : answer);
}

void Engine::Serve() {
  const absl::Duration patience =
      options_.notice ? kLookForNotices : absl::InfiniteDuration();
  for (;;) {
    switch (socket_.Wait(signals_.get(), patience)) {
      case ProgramSocket::Event::kDeath:
        return Abandoned("its program is dead");
      case ProgramSocket::Event::kSignal: {
        signalfd_siginfo signal = {};
        if (read(signals_.get(), &signal, sizeof(signal)) <= 0) break;
        return Leave("signal 15", Program::kGoesOn);
      }
      case ProgramSocket::Event::kNothing:
        if (options_.notice) {
          if (const auto notice = options_.notice())
            return Leave(*notice, Program::kGoesOn);
        }
        break;
      case ProgramSocket::Event::kMessage: {
        auto received = socket_.Receive();
        if (absl::IsUnavailable(received.status())) break;
        if (!received.ok()) return Abandoned(received.status().message());
        received_ = std::move(received->file);
        const auto request = ReadRequest(received->bytes);
        if (!request.ok()) {
          return Leave(request.status().message(), Program::kWaits);
        }
        Answer(*request);
        MutexLock lock(&mu_);
        if (leaving_) return;
      }
    }
  }
}

}  // namespace

absl::Status ServeProgram(EngineOptions options, rpc::Transport* transport) {
  EBB_ASSIGN_OR_RETURN(ProgramSocket socket,
                       ProgramSocket::Open(options.socket));
  const ProgramLog log(&socket);
  const Fd signals = TermSignals();
  EBB_ASSIGN_OR_RETURN(std::optional<JoinedProgram> joined,
                       LetJoin(options, signals, &socket));
  if (!joined) return absl::OkStatus();
  Engine engine(options, *std::move(joined), &socket, signals, transport);
  engine.Serve();
  return absl::OkStatus();
}

}  // namespace ebb::worker
