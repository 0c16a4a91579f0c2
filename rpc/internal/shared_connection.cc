#include "rpc/internal/shared_connection.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "common/tls/job_token.h"

namespace ebb::rpc::internal {

namespace {

// Answers that had no room: of more calls than any worker has under way.
constexpr size_t kMostBacklog = size_t{1} << 16;

// In whose Run() this thread is.
thread_local const SharedConnection* serving = nullptr;

}  // namespace

absl::StatusOr<std::shared_ptr<SharedConnection>> SharedConnection::Open(
    const SharedServices& services, Fd socket, shm::Peer peer,
    shm::Mapping heap, const SharedHello& hello) {
  EBB_ASSIGN_OR_RETURN(
      const Fd up_file,
      shm::CreateMemoryFile("ebb-worker-says", hello.up().file_bytes()));
  EBB_ASSIGN_OR_RETURN(
      const Fd down_file,
      shm::CreateMemoryFile("ebb-server-says", hello.down().file_bytes()));
  EBB_ASSIGN_OR_RETURN(shm::Mapping up,
                       shm::MapToRead(up_file.get(), hello.up().file_bytes()));
  EBB_ASSIGN_OR_RETURN(
      shm::Mapping down,
      shm::MapToWrite(down_file.get(), hello.down().file_bytes()));
  EBB_RETURN_IF_ERROR(shm::SealAgainstWriters(down_file.get()));
  EBB_RETURN_IF_ERROR(shm::SendMessage(
      socket.get(),
      absl::string_view(reinterpret_cast<const char*>(&hello), sizeof(hello)),
      {up_file.get(), down_file.get()}));
  return std::make_shared<SharedConnection>(
      services, std::move(socket), std::move(peer), std::move(heap),
      std::move(up), std::move(down), hello);
}

SharedConnection::SharedConnection(const SharedServices& services, Fd socket,
                                   shm::Peer peer, shm::Mapping heap,
                                   shm::Mapping up, shm::Mapping down,
                                   const SharedHello& hello)
    : services_{.data = services.data,
                .traffic = services.traffic,
                .most_bytes = services.most_bytes,
                .guard = services.guard},
      files_(services.files),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      heap_(std::move(heap)),
      up_(std::move(up)),
      down_(std::move(down)),
      hello_(hello),
      link_(down_.bytes(), hello.down(), up_.bytes(), hello.up()) {}

bool SharedConnection::closed() const {
  MutexLock lock(&mu_);
  return closed_;
}

void SharedConnection::StopWhenIdle(absl::Time until) {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    stop_at_ = until;
  }
  link_.EndWait();
}

void SharedConnection::Run() {
  serving = this;
  shm::Record record;
  absl::Time look = SteadyNow() + kSharedLook;
  bool gone = false, stopped = false;
  while (!gone && !stopped) {
    bool more = true;
    for (int i = 0; i < kSharedBatch && !gone; ++i) {
      const shm::Link::Got got = link_.Read(&record);
      more = got != shm::Link::Got::kNothing;
      if (!more) break;
      link_.Wake(shm::Link::kRoom);
      if (record.kind != kSharedPull && unheard_pull_) WakeForAnswers();
      gone = got == shm::Link::Got::kNonsense || !Handle(record);
    }
    if (!more) WakeForAnswers();
    if (gone) break;
    const bool flushed = Flush();
    // A worker that never reads is not served.
    if (BacklogLength() > kMostBacklog) gone = true;
    if (!more) {
      link_.Wait(flushed ? shm::Link::kRecords
                         : shm::Link::kRecords | shm::Link::kRoom,
                 kSharedLook);
    }
    const absl::Time now = SteadyNow();
    if (now >= look) {
      gone = shm::IsGone(socket_.get(), peer_);
      look = now + kSharedLook;
    }
    MutexLock lock(&mu_);
    stopped = stopping_ && (open_.empty() || now >= stop_at_) &&
              (backlog_.empty() || now >= stop_at_);
  }
  serving = nullptr;
  Close(/*worker_may_read=*/!gone);
}

// Waking a process takes a fifth of what a push of 1,000 rows does, and may put
// it on this core, which it then has to share. So a worker that looks by itself
// soon (Link::kSoon) is not woken while there is more to do, but for a pull,
// which it waits for more, before something else is done.
void SharedConnection::Wake(bool is_push) {
  if (serving != this || !link_.PeerLooksSoon()) {
    return link_.Wake(shm::Link::kRecords);
  }
  unheard_ = true;
  unheard_pull_ |= !is_push;
}

void SharedConnection::WakeForAnswers() {
  if (!unheard_) return;
  unheard_ = false;
  unheard_pull_ = false;
  link_.Wake(shm::Link::kRecords);
}

bool SharedConnection::Handle(const shm::Record& record) {
  if (record.kind != kSharedRelease) return HandleCall(record);
  Pinned released;  // Destroyed without the lock.
  MutexLock lock(&mu_);
  const auto it = pinned_.find(record.id);
  if (it == pinned_.end()) return false;
  released = std::move(it->second);
  pinned_.erase(it);
  files_->Unpin(released.runs);
  return true;
}

std::optional<Payload> SharedConnection::ValuesAt(
    uint64_t id, const std::vector<shm::Run>& runs) {
  Payload values;
  if (runs.empty()) return values;
  // The holder that drops the last part tells the worker.
  struct Loan {
    ~Loan() { connection->Freed(id); }
    std::shared_ptr<SharedConnection> connection;
    uint64_t id = 0;
  };
  auto loan = std::make_shared<Loan>();
  loan->connection = shared_from_this();
  loan->id = id;
  const std::span<const std::byte> area =
      up_.bytes().subspan(shm::SideSize::kHeaderBytes + hello_.up_ring_bytes);
  for (const shm::Run& run : runs) {
    const std::span<const std::byte> file =
        run.file == kAreaFile ? area : heap_.bytes();
    if (run.file > kHeapFile || run.offset > file.size() ||
        run.bytes > file.size() - run.offset) {
      return std::nullopt;
    }
    values.Append(loan, file.subspan(run.offset, run.bytes));
  }
  return values;
}

bool SharedConnection::HandleCall(const shm::Record& record) {
  CallBody body;
  if (record.bytes.size() < sizeof(body)) return false;
  std::memcpy(&body, record.bytes.data(), sizeof(body));
  const size_t runs_bytes = size_t{body.runs} * sizeof(shm::Run);
  if (body.runs > kMostCallRuns || body.token_bytes > kTokenBytes ||
      record.bytes.size() - sizeof(body) < runs_bytes + body.token_bytes) {
    return false;
  }
  std::vector<shm::Run> runs(body.runs);
  if (runs_bytes > 0) {
    std::memcpy(runs.data(), record.bytes.data() + sizeof(body), runs_bytes);
  }
  // The header, which is this process's own copy, and then values that the
  // worker may change at any time: the decoder takes them by reference.
  const std::string token =
      record.bytes.substr(sizeof(body) + runs_bytes, body.token_bytes);
  auto header = std::make_shared<const std::string>(
      record.bytes.substr(sizeof(body) + runs_bytes + body.token_bytes));
  Payload message;
  message.Append(header, BytesOf(*header));
  const std::optional<Payload> values = ValuesAt(record.id, runs);
  if (!values) return false;
  for (const Payload::Slice& slice : values->slices()) {
    message.Append(slice.owner, slice.bytes);
  }
  if (record.kind == kSharedClock) {
    return ServeClock(services_, message, token);
  }
  if (record.kind != kSharedPush && record.kind != kSharedPull) return false;
  {
    MutexLock lock(&mu_);
    if (pinned_.contains(record.id) || open_.contains(record.id)) return false;
  }
  const absl::Status begun = BeginCall(services_, message.size());
  {
    MutexLock lock(&mu_);
    if (!begun.ok()) {
      ReplyLocked(record.id, static_cast<uint32_t>(begun.code()), {},
                  BytesOf(begun.message()));
    } else {
      open_.insert(record.id);
    }
  }
  if (!begun.ok()) {
    link_.Wake(shm::Link::kRecords);
    return true;
  }
  ServeMessage(services_, shared_from_this(), record.id,
               record.kind == kSharedPush, message, token);
  return true;
}

void SharedConnection::Answer(uint64_t id, const absl::Status& status,
                              const Payload& message, bool is_push) {
  {
    MutexLock lock(&mu_);
    if (closed_ || open_.erase(id) == 0) return;
    services_.traffic->CallEnded();
    if (!status.ok()) {
      ReplyLocked(id, static_cast<uint32_t>(status.code()), {},
                  BytesOf(status.message()));
    } else if (message.size() > services_.most_bytes) {
      const absl::Status why =
          AnswerTooLarge(message.size(), services_.most_bytes);
      ReplyLocked(id, static_cast<uint32_t>(why.code()), {},
                  BytesOf(why.message()));
    } else {
      const std::span<const std::byte> header = HeaderOf(message);
      const auto header_bytes = static_cast<int64_t>(header.size());
      const Payload values =
          message.Sub(header_bytes, message.size() - header_bytes);
      if (header_bytes > link_.most_bytes() / 4 ||
          !ReplyValuesLocked(id, header, values)) {
        ReplyLocked(id, kElsewhere, {}, {});
      }
    }
  }
  Wake(is_push);
}

bool SharedConnection::ReplyValuesLocked(uint64_t id,
                                         std::span<const std::byte> header,
                                         const Payload& values) {
  const std::vector<shm::Run> runs = files_->Find(values);
  if (static_cast<int64_t>(sizeof(ReplyBody) + runs.size() * sizeof(shm::Run)) >
      link_.most_bytes() / 4) {
    return false;
  }
  std::vector<std::span<const std::byte>> copied;
  int64_t at = 0, copied_bytes = 0;
  for (const shm::Run& run : runs) {
    const auto bytes = static_cast<int64_t>(run.bytes);
    if (run.file == shm::kNoFile) {
      const Payload part = values.Sub(at, bytes);
      for (const auto& slice : part.slices()) copied.push_back(slice.bytes);
      copied_bytes += bytes;
    }
    at += bytes;
  }
  if (copied_bytes > link_.most_bytes() / 2 || !PinLocked(id, values, runs)) {
    return false;
  }
  if (ReplyLocked(id, 0, runs, header, copied)) return true;
  const auto pinned = pinned_.find(id);
  if (pinned != pinned_.end()) {
    files_->Unpin(pinned->second.runs);
    pinned_.erase(pinned);
  }
  return false;
}

bool SharedConnection::PinLocked(uint64_t id, const Payload& values,
                                 const std::vector<shm::Run>& runs) {
  const auto in_file = [](const shm::Run& run) {
    return run.file != shm::kNoFile;
  };
  if (std::ranges::none_of(runs, in_file)) return true;
  if (!HandOverFilesLocked(runs) || !files_->Pin(runs)) return false;
  pinned_[id] = {values, runs};
  return true;
}

bool SharedConnection::HandOverFilesLocked(const std::vector<shm::Run>& runs) {
  uint32_t last = 0;
  for (const shm::Run& run : runs) {
    if (run.file != shm::kNoFile) last = std::max(last, run.file);
  }
  if (last >= kMostSharedFiles) return false;
  while (files_handed_over_ <= last) {
    const auto file = files_->Get(files_handed_over_);
    if (!file) return false;
    const SharedFile said = {.number = files_handed_over_,
                             .bytes = file->bytes};
    const absl::string_view bytes(reinterpret_cast<const char*>(&said),
                                  sizeof(said));
    if (!shm::SendMessage(socket_.get(), bytes, {file->fd}).ok()) return false;
    ++files_handed_over_;
  }
  return true;
}

bool SharedConnection::ReplyLocked(
    uint64_t id, uint32_t status, const std::vector<shm::Run>& runs,
    std::span<const std::byte> header,
    std::span<const std::span<const std::byte>> copied) {
  const ReplyBody body = {.status = status,
                          .runs = static_cast<uint32_t>(runs.size()),
                          .header_bytes = static_cast<uint32_t>(header.size())};
  absl::InlinedVector<std::span<const std::byte>, 4> parts = {
      std::as_bytes(std::span(&body, 1)),
      std::as_bytes(std::span<const shm::Run>(runs)), header};
  parts.insert(parts.end(), copied.begin(), copied.end());
  if (backlog_.empty() && link_.Write(kSharedReply, id, parts)) return true;
  // How much of that there would be, only the worker bounds.
  if (!copied.empty()) return false;
  shm::Record late = {.kind = kSharedReply, .id = id, .bytes = {}};
  for (const auto& part : parts) {
    late.bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  backlog_.push_back(std::move(late));
  link_.AlsoWaitForRoom();
  link_.EndWait();
  return true;
}

void SharedConnection::Freed(uint64_t id) {
  {
    MutexLock lock(&mu_);
    if (closed_) return;
    if (!backlog_.empty() || !link_.Write(kSharedFreed, id, {})) {
      backlog_.push_back({.kind = kSharedFreed, .id = id, .bytes = {}});
      link_.AlsoWaitForRoom();
      link_.EndWait();
    }
  }
  // A worker that waits for nothing else learns it with the next answer.
  link_.Wake(shm::Link::kRoom);
}

size_t SharedConnection::BacklogLength() const {
  MutexLock lock(&mu_);
  return backlog_.size();
}

bool SharedConnection::Flush() {
  bool sent = false, all = false;
  {
    MutexLock lock(&mu_);
    while (!backlog_.empty()) {
      const shm::Record& next = backlog_.front();
      if (!link_.Write(next.kind, next.id, {BytesOf(next.bytes)})) break;
      backlog_.pop_front();
      sent = true;
    }
    all = backlog_.empty();
  }
  if (sent) link_.Wake(shm::Link::kRecords);
  return all;
}

void SharedConnection::Close(bool worker_may_read) {
  absl::flat_hash_map<uint64_t, Pinned> pinned;
  {
    MutexLock lock(&mu_);
    closed_ = true;
    for (size_t i = 0; i < open_.size(); ++i) services_.traffic->CallEnded();
    open_.clear();
    pinned.swap(pinned_);
    backlog_.clear();
  }
  std::vector<Payload> kept;
  for (auto& [id, one] : pinned) {
    if (worker_may_read) {
      kept.push_back(std::move(one.values));
    } else {
      files_->Unpin(one.runs);
    }
  }
  files_->Keep(std::move(kept));
  // The worker learns it now, not when the last answer is dropped.
  shm::Disconnect(socket_.get());
}

}  // namespace ebb::rpc::internal
