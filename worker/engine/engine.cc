#include "worker/engine/engine.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
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
#include "client/pulled_values.h"
#include "common/fd.h"
#include "common/mutex.h"
#include "common/program/ignored_signals.h"
#include "common/status_macros.h"
#include "glog/logging.h"
#include "rpc/admin.h"
#include "worker/engine/conversation.h"
#include "worker/engine/job_tables.h"
#include "worker/engine/messages.h"
#include "worker/engine/program_memory.h"
#include "worker/engine/program_socket.h"

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

ComputeResult FailedBatch(std::string why, bool non_finite = false) {
  ComputeResult result;
  result.error = std::move(why);
  result.non_finite = non_finite;
  return result;
}

EvaluationResult ResultOf(const Evaluated& evaluated) {
  EvaluationResult result;
  result.error = evaluated.error;
  result.examples = evaluated.body.examples;
  result.loss_sum = evaluated.body.loss_sum;
  result.correct = evaluated.body.correct;
  result.figures.named = evaluated.figures;
  return result;
}

// Lines of the log go to the program, which has loggers of its own.
class ProgramLog : public google::LogSink {
 public:
  // `socket` outlives it.
  explicit ProgramLog(const ProgramSocket* socket) : socket_(*socket) {
    // Neither files nor stderr, which is the program's.
    for (int severity = 0; severity < google::NUM_SEVERITIES; ++severity) {
      google::SetLogDestination(severity, "");
    }
    FLAGS_logtostderr = false;
    FLAGS_stderrthreshold = google::GLOG_FATAL;
    google::AddLogSink(this);
  }
  ~ProgramLog() override { google::RemoveLogSink(this); }

  void send(google::LogSeverity severity, const char* /*full_filename*/,
            const char* /*base_filename*/, int /*line*/, const tm* /*time*/,
            const char* message, size_t size) override {
    socket_.Tell(EncodeText({Kind::kLog, static_cast<uint32_t>(severity), 0},
                            absl::string_view(message, size)));
  }

 private:
  const ProgramSocket& socket_;
};

// SIGTERM as a file. It is blocked already.
Fd TermSignals() {
  const sigset_t signals = NotIgnored({SIGTERM});
  return Fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

// The engine at work on its job. The shell's computing thread offers batches
// and waits. The caller of Serve reads the program's requests, and it alone
// ends batches that are out. The thread that gives one ends it if its values
// cannot be had. A thread of the engine's own asks whether the job is over
// while there is nothing to do.
class Engine : private client::JobComputer {
 public:
  // All outlive it.
  Engine(const EngineOptions& options, const Hello& hello,
         client::FoundJob found, ProgramMemory memory, ProgramSocket* socket,
         const Fd& signals, rpc::SchedulerAdminClient* admin,
         rpc::Transport* transport)
      : options_(options),
        record_(std::make_shared<const JobRecord>(std::move(found.record))),
        tables_(*record_),
        evaluates_(hello.body.evaluates != 0),
        memory_(std::move(memory)),
        socket_(*socket),
        signals_(signals),
        admin_(*admin),
        pool_(/*keep=*/4, options.heap),
        orders_(record_->plan),
        conversation_(hello.body.first_ticket) {
    if (found.end != client::JobEnd::kNotYet) {
      End(found.end);
      return;
    }
    client::ClientShellOptions shell = options_.shell;
    shell.core.only_job = record_->id;
    shell.core.no_evaluations = !evaluates_;
    shell.core.batch_patience = options_.patience;
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
  using Result = std::variant<ComputeResult, EvaluationResult>;
  // What is offered; no values: nothing. No place: an evaluation.
  struct Work {
    std::optional<PlaceBody> place;
    client::PulledValuesPtr values;
  };

  absl::Status Prepare(const JobRecordPtr& record) override;
  ComputeResult Compute(const ComputeTask& task) override;
  EvaluationResult Evaluate(const EvaluateTask& task) override;

  // --- What the program says -------------------------------------------------
  void Answer(const Request& request);
  void Reply(uint64_t sequence, const Hello& hello);
  void Reply(uint64_t sequence, const Memory& memory);
  void Reply(uint64_t sequence, const Order& order);
  void Reply(uint64_t sequence, const Ahead& ahead);
  template <typename Body>
  void Reply(uint64_t sequence, const Body& body);

  // Offers the work, and waits for its result; nothing: the engine leaves.
  template <typename What>
  std::optional<Result> Offer(Work work, const What& what);
  // Puts the values into the memory, and answers the program that waits.
  void GiveAndAnswer(const Decision& decision,
                     const client::PulledValuesPtr& values);
  absl::Status TakeSums(const PlaceBody& place, double loss_sum,
                        ComputeResult* result);
  // What is offered is over, unless it is already.
  void Finish(Result result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FinishFailed(const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void End(client::JobEnd end);
  void Watch();
  void Leave(absl::string_view why);

  const EngineOptions& options_;
  const JobRecordPtr record_;
  const JobTables tables_;
  const bool evaluates_;
  const ProgramMemory memory_;
  ProgramSocket& socket_;
  const Fd& signals_;
  rpc::SchedulerAdminClient& admin_;
  client::FloatPool pool_;
  client::ItemOrders orders_;  // Used by the caller of Serve only.

  Mutex mu_;
  CondVar changed_;
  Conversation conversation_ ABSL_GUARDED_BY(mu_);
  Work work_ ABSL_GUARDED_BY(mu_);
  std::optional<Result> result_ ABSL_GUARDED_BY(mu_);
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

ComputeResult Engine::Compute(const ComputeTask& task) {
  const PlaceBody place = {task.item.epoch, task.item.shard, task.begin,
                           task.end};
  std::optional<Result> result = Offer({place, task.values}, place);
  // What was handed in counts, even if the job is left in the same moment.
  if (result) return std::get<ComputeResult>(*std::move(result));
  ComputeResult cancelled;
  cancelled.cancelled = true;
  return cancelled;
}

EvaluationResult Engine::Evaluate(const EvaluateTask& task) {
  std::optional<Result> result =
      Offer({std::nullopt, task.values}, EvaluateBody{0, task.snapshot});
  if (result) return std::get<EvaluationResult>(*std::move(result));
  EvaluationResult left;
  left.error = "the program left";
  return left;
}

template <typename What>
std::optional<Engine::Result> Engine::Offer(Work work, const What& what) {
  Decision decision;
  {
    MutexLock lock(&mu_);
    work_ = work;
    decision = conversation_.Offer(what);
  }
  if (decision.act == Decision::Act::kGive) {
    GiveAndAnswer(decision, work.values);
  }
  MutexLock lock(&mu_);
  while (!leaving_ && !result_) changed_.Wait(&mu_);
  conversation_.Withdraw();
  work_ = {};
  return std::exchange(result_, std::nullopt);
}

void Engine::GiveAndAnswer(const Decision& decision,
                           const client::PulledValuesPtr& values) {
  if (decision.clear_sums) memory_.ClearSums();
  const absl::Status given =
      client::Assemble(record_->plan, *values, memory_.values());
  std::string answer;
  {
    MutexLock lock(&mu_);
    // In one step, so that the other thread does not begin to give it again.
    if (!given.ok()) return FinishFailed(std::string(given.message()));
    answer = conversation_.Given();
  }
  if (!answer.empty()) socket_.Send(answer);
}

// --- The program's side ------------------------------------------------------

void Engine::Answer(const Request& request) {
  std::visit([&](const auto& body) { Reply(request.sequence, body); },
             request.body);
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
    {
      MutexLock lock(&mu_);
      // The core counts what is offered as begun.
      if (const auto place = conversation_.offered()) places.push_back(*place);
    }
    for (const auto& run : shell_->Ahead(record_->id, most - places.size())) {
      places.push_back({run.item.epoch, run.item.shard, run.begin, run.end});
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

template <typename Body>
void Engine::Reply(uint64_t sequence, const Body& body) {
  Decision decision;
  Work work;
  {
    MutexLock lock(&mu_);
    decision = conversation_.On(sequence, body);
    work = work_;
  }
  switch (decision.act) {
    case Decision::Act::kNothing:
      break;
    case Decision::Act::kGive:
      return GiveAndAnswer(decision, work.values);
    case Decision::Act::kTakeSums:
      if constexpr (std::is_same_v<Body, Push>) {
        ComputeResult result;
        const absl::Status taken =
            TakeSums(*work.place, body.body.loss_sum, &result);
        MutexLock lock(&mu_);
        Finish(std::move(result));
        decision.answer = EncodeStatus(sequence, taken);
      }
      break;
    case Decision::Act::kEndFailed: {
      MutexLock lock(&mu_);
      FinishFailed(decision.why);
      break;
    }
    case Decision::Act::kEndEvaluated:
      if constexpr (std::is_same_v<Body, Evaluated>) {
        MutexLock lock(&mu_);
        Finish(ResultOf(body));
      }
      break;
    case Decision::Act::kLeave:
      Leave("the program leaves");
      decision.answer = EncodeBytes({Kind::kDone, kTaken, sequence});
      break;
  }
  if (!decision.answer.empty()) socket_.Send(decision.answer);
}

absl::Status Engine::TakeSums(const PlaceBody& place, double loss_sum,
                              ComputeResult* result) {
  const JobPlan& plan = record_->plan;
  client::FloatBufferPtr buffer = pool_.Take(plan.parameters);
  const std::optional<int64_t> odd = memory_.TakeSums(buffer->span());
  if (odd || !std::isfinite(loss_sum)) {
    const std::string why =
        odd ? absl::StrCat("the gradient of ", tables_.NameOf(*odd), " is ",
                           buffer->span()[*odd])
            : absl::StrCat("the loss is ", loss_sum);
    *result = FailedBatch(why, /*non_finite=*/true);
    return absl::OutOfRangeError(why);
  }
  *result = client::HandIn(plan, {place.epoch, place.shard}, place.begin,
                           place.end, std::move(buffer), loss_sum);
  return absl::OkStatus();
}

void Engine::Finish(Result result) {
  const bool batch = std::holds_alternative<ComputeResult>(result);
  if (work_.values == nullptr || work_.place.has_value() != batch || result_) {
    return;
  }
  result_ = std::move(result);
  // From here on nothing is out.
  conversation_.Withdraw();
  changed_.SignalAll();
}

void Engine::FinishFailed(const std::string& why) {
  if (work_.place.has_value()) return Finish(FailedBatch(why));
  EvaluationResult result;
  result.error = why;
  Finish(std::move(result));
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
      const absl::Time ask_at = absl::Now() + patience;
      while (!leaving_ && absl::Now() < ask_at) {
        changed_.WaitFor(&mu_, ask_at - absl::Now());
      }
      if (leaving_) return;
      if (!conversation_.starved()) {
        patience = kFirstPatience;
        continue;
      }
    }
    const auto end = client::AskForEnd(&admin_, record_->id, kAnswerIn);
    if (absl::IsNotFound(end.status())) {
      End(client::JobEnd::kCancelled);
    } else if (end.ok() && *end != client::JobEnd::kNotYet) {
      End(*end);
    }
    patience = std::min(2 * patience, kLongestPatience);
  }
}

void Engine::Leave(absl::string_view why) {
  LOG(INFO) << "worker=" << options_.shell.core.name << " leaves: " << why;
  // First the core, so that it begins nothing new when it gets back what it
  // waits for.
  if (shell_ != nullptr) shell_->BeginDrain();
  {
    MutexLock lock(&mu_);
    leaving_ = true;
    changed_.SignalAll();
  }
  const absl::Time deadline = absl::Now() + options_.grace;
  bool drained = shell_ == nullptr;
  while (!drained && absl::Now() < deadline) {
    drained = shell_->Drain(std::min(kDrainStep, deadline - absl::Now()));
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
        return Leave("its program is dead");
      case ProgramSocket::Event::kSignal: {
        signalfd_siginfo signal = {};
        if (read(signals_.get(), &signal, sizeof(signal)) <= 0) break;
        return Leave("signal 15");
      }
      case ProgramSocket::Event::kNothing:
        if (options_.notice) {
          if (const auto notice = options_.notice()) return Leave(*notice);
        }
        break;
      case ProgramSocket::Event::kMessage: {
        const auto received = socket_.Receive();
        if (absl::IsUnavailable(received.status())) break;
        if (!received.ok()) return Leave(received.status().message());
        const auto request = ReadRequest(received->bytes);
        if (!request.ok()) return Leave(request.status().message());
        Answer(*request);
        MutexLock lock(&mu_);
        if (leaving_) return;
      }
    }
  }
}

struct RequestWithFile {
  Request request;
  Fd file;
};

// The next request of the program. Blocks. Cancelled: it is gone, or this
// process is to end.
absl::StatusOr<RequestWithFile> NextRequest(ProgramSocket* socket,
                                            const Fd& signals) {
  for (;;) {
    switch (socket->Wait(signals.get(), absl::InfiniteDuration())) {
      case ProgramSocket::Event::kNothing:
        continue;
      case ProgramSocket::Event::kMessage:
        break;
      default:
        return absl::CancelledError("nobody wants an engine any more");
    }
    auto received = socket->Receive();
    if (absl::IsUnavailable(received.status())) continue;
    EBB_RETURN_IF_ERROR(received.status());
    EBB_ASSIGN_OR_RETURN(Request request, ReadRequest(received->bytes));
    return RequestWithFile{std::move(request), std::move(received->file)};
  }
}

absl::Status CheckHello(const EngineOptions& options, const Request& request) {
  const auto* const hello = std::get_if<Hello>(&request.body);
  if (hello == nullptr) {
    return absl::InvalidArgumentError("a program begins with its version");
  }
  if (request.code == kEngineFormat && hello->version == options.version) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the package is of ebb ", hello->version, ", and ebb-worker of ",
      options.version, ": install the same version of both"));
}

std::string JobMessage(uint64_t sequence, const JobRecord& record,
                       const JobTables& tables) {
  const JobPlan& plan = record.plan;
  const JobBody body = {
      .number = static_cast<int64_t>(record.id.value()),
      .seed = plan.seed,
      .parameters = plan.parameters,
      .examples = plan.examples,
      .batch = plan.BatchSize({0, 0}),
      .epochs = plan.epochs,
      .shard_size = plan.shard_size,
      .tables = tables.size(),
  };
  std::string names = record.name.substr(0, kMostText);
  names.push_back('\0');
  names += tables.fingerprint().substr(0, kMostText);
  return Encode({Kind::kJob, 0, sequence}, body, names);
}

}  // namespace

absl::Status ServeProgram(EngineOptions options, rpc::Transport* transport) {
  EBB_ASSIGN_OR_RETURN(ProgramSocket socket,
                       ProgramSocket::Open(options.socket));
  const ProgramLog log(&socket);
  const Fd signals = TermSignals();
  const auto first = NextRequest(&socket, signals);
  if (absl::IsCancelled(first.status())) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(first.status());
  const uint64_t joins = first->request.sequence;
  const auto refuse = [&](const absl::Status& status) {
    socket.Send(EncodeStatus(joins, status));
    return absl::OkStatus();
  };
  absl::Status status = CheckHello(options, first->request);
  if (!status.ok()) return refuse(status);
  // It does not wait until the notice is gone: only here does it notice that
  // its program ends.
  if (const auto why = options.notice ? options.notice() : std::nullopt) {
    return refuse(absl::UnavailableError(
        absl::StrCat("no engine joins while there is ", *why)));
  }
  status = client::ShowToken(*options.security, options.token_file);
  if (!status.ok()) return refuse(status);
  // Its lines would go to stderr, where they are read only after a failure.
  rpc::SilenceGrpc();
  rpc::SchedulerAdminClient admin(options.shell.scheduler, options.security);
  const auto& hello = std::get<Hello>(first->request.body);
  absl::StatusOr<client::FoundJob> found =
      client::FindJob(&admin, options.job, JobId(hello.body.job));
  if (!found.ok()) return refuse(found.status());
  status = client::CheckHandIn(found->record);
  if (!status.ok()) return refuse(status);

  const JobTables tables(found->record);
  socket.Send(JobMessage(joins, found->record, tables));
  for (const std::string& message : tables.Messages()) socket.Send(message);
  const auto second = NextRequest(&socket, signals);
  if (absl::IsCancelled(second.status())) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(second.status());
  auto memory =
      ProgramMemory::Map(second->file.get(), found->record.plan.parameters);
  socket.Send(EncodeStatus(second->request.sequence, memory.status()));
  if (!memory.ok()) return absl::OkStatus();
  Engine engine(options, hello, *std::move(found), *std::move(memory), &socket,
                signals, &admin, transport);
  engine.Serve();
  return absl::OkStatus();
}

}  // namespace ebb::worker
