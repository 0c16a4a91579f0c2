#include "rpc/internal/shared_session.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

namespace {

// More calls under way than any worker has.
constexpr size_t kMostCalls = size_t{1} << 16;

}  // namespace

// The server keeps values for this end until it hears that they are read.
class SharedSession::Grant {
 public:
  Grant(std::shared_ptr<SharedSession> session, uint64_t id)
      : session_(std::move(session)), id_(id) {}
  ~Grant() { session_->Release(id_); }
  Grant(const Grant&) = delete;
  Grant& operator=(const Grant&) = delete;

 private:
  const std::shared_ptr<SharedSession> session_;
  const uint64_t id_;
};

absl::StatusOr<std::shared_ptr<SharedSession>> SharedSession::Open(
    const SharedOffer& offer, int64_t most_bytes,
    std::shared_ptr<shm::SharedHeap> heap, Guard guard) {
  absl::StatusOr<Fd> connected = shm::ConnectLocally(offer.socket_name);
  if (!connected.ok()) {
    // It is most likely in another network namespace: that will not change
    // soon.
    return absl::FailedPreconditionError(absl::StrCat(
        "the server's socket is out of reach: ", connected.status().message()));
  }
  Fd socket = *std::move(connected);
  EBB_ASSIGN_OR_RETURN(shm::Peer peer, shm::PeerOfSameUser(socket.get()));
  // If a server's end cannot be seen, it is unknown when it reads no more.
  if (!peer.process) heap = nullptr;
  const SharedGreeting greeting = {heap == nullptr ? 0 : heap->bytes()};
  std::string first = offer.token;
  first.append(reinterpret_cast<const char*>(&greeting), sizeof(greeting));
  EBB_RETURN_IF_ERROR(
      heap == nullptr ? shm::SendMessage(socket.get(), first, {})
                      : shm::SendMessage(socket.get(), first, {heap->fd()}));
  EBB_ASSIGN_OR_RETURN(shm::Message message,
                       shm::ReceiveMessage(socket.get(), 2 * kSharedPatience));
  SharedHello hello;
  if (message.bytes.size() != sizeof(hello) || message.fds.size() != 2) {
    return absl::InternalError("the server's greeting is none");
  }
  std::memcpy(&hello, message.bytes.data(), sizeof(hello));
  const auto sound = [](int64_t ring) {
    return ring >= shm::SideSize::kHeaderBytes && (ring & (ring - 1)) == 0 &&
           ring <= int64_t{1} << 30;
  };
  if (hello.version != kSharedVersion || !sound(hello.up_ring_bytes) ||
      !sound(hello.down_ring_bytes) || hello.up_area_bytes < 0 ||
      hello.up_area_bytes > int64_t{1} << 40) {
    return absl::InternalError("the server's shared memory is of another kind");
  }
  EBB_ASSIGN_OR_RETURN(
      shm::Mapping up,
      shm::MapToWrite(message.fds[0].get(), hello.up().file_bytes()));
  EBB_ASSIGN_OR_RETURN(
      shm::Mapping down,
      shm::MapToRead(message.fds[1].get(), hello.down().file_bytes()));
  if (heap != nullptr) heap->Open();
  return std::make_shared<SharedSession>(
      std::move(socket), std::move(peer), std::move(up), std::move(down), hello,
      most_bytes, std::move(heap), std::move(guard));
}

SharedSession::SharedSession(Fd socket, shm::Peer peer, shm::Mapping up,
                             shm::Mapping down, const SharedHello& hello,
                             int64_t most_bytes,
                             std::shared_ptr<shm::SharedHeap> heap, Guard guard)
    : socket_(std::move(socket)),
      peer_(std::move(peer)),
      up_(std::move(up)),
      down_(std::move(down)),
      hello_(hello),
      most_bytes_(most_bytes),
      heap_(std::move(heap)),
      guard_(std::move(guard)),
      link_(up_.bytes(), hello.up(), down_.bytes(), hello.down(),
            /*steps_aside=*/true),
      area_(hello.up_area_bytes) {}

// The server may be about to read what it was lent, whatever became of the
// connection, until its process has ended.
SharedSession::~SharedSession() {
  std::vector<Payload> values;
  {
    MutexLock lock(&mu_);
    for (auto& [id, lent] : lent_) {
      if (!lent.in_heap.empty()) values.push_back(std::move(lent.in_heap));
    }
  }
  if (values.empty()) return;
  auto peer = std::make_shared<const shm::Peer>(std::move(peer_));
  heap_->Keep(std::move(values), [peer] { return shm::HasEnded(*peer); });
}

bool SharedSession::Push(PushRequest* request, absl::Time deadline,
                         PsChannel::PushDone* done) {
  Call call = {.kind = kSharedPush, .deadline = deadline};
  call.done = std::move(*done);
  call.token = guard_.ShownWith(*request);
  if (!Start(Encode(*request), &call)) {
    *done = std::move(std::get<PsChannel::PushDone>(call.done));
    return false;
  }
  *request = {};
  Flush();
  return true;
}

bool SharedSession::Pull(const PullRequest& request, absl::Time deadline,
                         PsChannel::PullDone* done) {
  Call call = {.kind = kSharedPull, .deadline = deadline};
  call.done = std::move(*done);
  call.pull = request;
  call.token = guard_.ShownWith(request);
  // They are read where they lie: any other form would only be more work.
  PullRequest whole = request;
  whole.encoding = Encoding::kFloat32;
  if (!Start(Encode(whole), &call)) {
    *done = std::move(std::get<PsChannel::PullDone>(call.done));
    return false;
  }
  Flush();
  return true;
}

bool SharedSession::Clock(const ClockUpdate& update) {
  const Payload message = Encode(update);
  const std::string token = guard_.ShownWith(update);
  const CallBody body = {.token_bytes = static_cast<uint32_t>(token.size())};
  {
    MutexLock lock(&mu_);
    if (closed_) return false;
    // It is repeated anyway: without room it is lost.
    link_.Write(kSharedClock, 0,
                {std::as_bytes(std::span(&body, 1)), BytesOf(token),
                 HeaderOf(message)});
  }
  link_.Wake(shm::Link::kRecords);
  return true;
}

bool SharedSession::Start(const Payload& message, Call* call) {
  const std::span<const std::byte> header = HeaderOf(message);
  const int64_t values = message.size() - static_cast<int64_t>(header.size());
  call->lent = Lend(message.Sub(static_cast<int64_t>(header.size()), values));
  if (message.size() > most_bytes_ ||
      call->lent.copied.size() > hello_.up_area_bytes ||
      static_cast<int64_t>(
          sizeof(CallBody) + call->token.size() + header.size() +
          call->lent.runs.size() * sizeof(shm::Run)) > link_.most_bytes()) {
    return false;
  }
  call->header.assign(reinterpret_cast<const char*>(header.data()),
                      header.size());
  {
    MutexLock lock(&mu_);
    if (closed_ || calls_.size() >= kMostCalls) return false;
    const uint64_t id = next_id_++;
    next_deadline_ = std::min(next_deadline_, call->deadline);
    calls_[id] = std::make_unique<Call>(std::move(*call));
    waiting_.push_back(id);
  }
  return true;
}

SharedSession::Lent SharedSession::Lend(const Payload& values) const {
  Lent lent;
  for (const Payload::Slice& slice : values.slices()) {
    const auto offset =
        heap_ == nullptr ? std::nullopt : heap_->OffsetOf(slice.bytes);
    shm::Run run = {
        .file = kHeapFile, .offset = 0, .bytes = slice.bytes.size()};
    if (offset) {
      run.offset = *offset;
      lent.in_heap.Append(slice.owner, slice.bytes);
    } else {
      run.file = kAreaFile;
      run.offset = static_cast<uint64_t>(lent.copied.size());
      lent.copied.Append(slice.owner, slice.bytes);
    }
    shm::Run* const last = lent.runs.empty() ? nullptr : &lent.runs.back();
    if (last != nullptr && last->file == run.file &&
        last->offset + last->bytes == run.offset) {
      last->bytes += run.bytes;
    } else {
      lent.runs.push_back(run);
    }
  }
  if (lent.runs.size() <= kMostCallRuns) return lent;
  Lent whole;
  whole.runs = {{.file = kAreaFile,
                 .offset = 0,
                 .bytes = static_cast<uint64_t>(values.size())}};
  whole.copied = values;
  return whole;
}

void SharedSession::WaitForRoomLocked() {
  link_.AlsoWaitForRoom();
  link_.EndWait();
}

bool SharedSession::TakeNext(uint64_t* id, Lent* lent) {
  MutexLock lock(&mu_);
  while (!releases_.empty() &&
         link_.Write(kSharedRelease, releases_.back(), {})) {
    releases_.pop_back();
  }
  if (copying_) return false;
  while (!waiting_.empty()) {
    *id = waiting_.front();
    const auto call = calls_.find(*id);
    if (call == calls_.end()) {  // Its deadline has passed.
      waiting_.pop_front();
      continue;
    }
    *lent = call->second->lent;
    if (!lent->copied.empty()) {
      lent->place = area_.Take(lent->copied.size());
      if (!lent->place) {
        WaitForRoomLocked();
        return false;
      }
    }
    waiting_.pop_front();
    copying_ = true;
    return true;
  }
  return false;
}

bool SharedSession::SendNow(uint64_t id, Lent lent) {
  std::vector<shm::Run> runs = std::exchange(lent.runs, {});
  for (shm::Run& run : runs) {
    if (run.file == kAreaFile) run.offset += static_cast<uint64_t>(*lent.place);
  }
  CallBody body = {.runs = static_cast<uint32_t>(runs.size())};
  MutexLock lock(&mu_);
  copying_ = false;
  const auto it = calls_.find(id);
  const bool gone = it == calls_.end();
  if (!gone) body.token_bytes = static_cast<uint32_t>(it->second->token.size());
  if (!gone &&
      link_.Write(it->second->kind, id,
                  {std::as_bytes(std::span(&body, 1)),
                   std::as_bytes(std::span<const shm::Run>(runs)),
                   BytesOf(it->second->token), BytesOf(it->second->header)})) {
    it->second->lent = {};
    if (!runs.empty()) lent_[id] = std::move(lent);
    return true;
  }
  if (lent.place) area_.Free(*lent.place);
  if (gone) return true;
  waiting_.push_front(id);
  WaitForRoomLocked();
  return false;
}

void SharedSession::Flush() {
  const std::span<std::byte> area =
      up_.bytes().subspan(shm::SideSize::kHeaderBytes + hello_.up_ring_bytes);
  uint64_t id = 0;
  Lent lent;
  while (TakeNext(&id, &lent)) {
    // Without the lock: no other thread has this place.
    if (lent.place) {
      lent.copied.CopyTo(area.subspan(*lent.place, lent.copied.size()));
      // A caller that gets the answer, which may be soon, finds them free.
      lent.copied = {};
    }
    if (!SendNow(id, std::exchange(lent, {}))) return;
    link_.Wake(shm::Link::kRecords);
  }
}

void SharedSession::Run(const Elsewhere& elsewhere) {
  shm::Record record;
  absl::Time look = SteadyNow() + kSharedLook;
  // While answers come it looks for more by itself, so that the server need not
  // wake it for each; and less and less often when none does.
  absl::Duration step = shm::Link::kSoonLimit;
  bool last = false;
  while (true) {
    auto got = shm::Link::Got::kRecord;
    for (int i = 0; i < kSharedBatch && got == shm::Link::Got::kRecord; ++i) {
      got = link_.Read(&record);
      if (got != shm::Link::Got::kRecord) break;
      link_.Wake(shm::Link::kRoom);
      if (!Handle(std::move(record), elsewhere)) return;
      step = shm::Link::kSoonLimit;
    }
    if (got == shm::Link::Got::kNonsense) return;
    if (last && got == shm::Link::Got::kNothing) return;
    Flush();
    Expire();
    uint32_t reasons = shm::Link::kRecords;
    absl::Time until = look;
    {
      MutexLock lock(&mu_);
      if (stopped_) return;
      if (!waiting_.empty()) reasons |= shm::Link::kRoom;
      until = std::min(until, next_deadline_);
      if (!calls_.empty()) {
        until = std::min(until, SteadyNow() + step);
        if (step == shm::Link::kSoonLimit) reasons |= shm::Link::kSoon;
        step = std::min(2 * step, kSharedLook);
      }
    }
    const absl::Time now = SteadyNow();
    link_.Wait(reasons, std::max(until - now, absl::Microseconds(1)));
    if (SteadyNow() >= look) {
      // What it said before it went still counts.
      last = shm::IsGone(socket_.get(), peer_);
      look = SteadyNow() + kSharedLook;
    }
  }
}

void SharedSession::Stop() {
  {
    MutexLock lock(&mu_);
    stopped_ = true;
  }
  link_.EndWait();
}

void SharedSession::Close(const absl::Status& status) {
  absl::flat_hash_map<uint64_t, std::unique_ptr<Call>> calls;
  {
    MutexLock lock(&mu_);
    closed_ = true;
    calls.swap(calls_);
    waiting_.clear();
  }
  for (auto& [id, call] : calls) EndCall(&call->done, status);
}

bool SharedSession::Handle(shm::Record&& record, const Elsewhere& elsewhere) {
  if (record.kind == kSharedFreed) return Freed(record.id);
  return record.kind == kSharedReply &&
         HandleReply(std::move(record), elsewhere);
}

bool SharedSession::Freed(uint64_t id) {
  Lent lent;  // Destroyed without the lock.
  MutexLock lock(&mu_);
  const auto it = lent_.find(id);
  if (it == lent_.end()) return false;
  lent = std::move(it->second);
  lent_.erase(it);
  return !lent.place || area_.Free(*lent.place);
}

bool SharedSession::HandleReply(shm::Record&& record,
                                const Elsewhere& elsewhere) {
  ReplyBody body;
  if (record.bytes.size() < sizeof(body)) return false;
  std::memcpy(&body, record.bytes.data(), sizeof(body));
  const size_t runs_bytes = size_t{body.runs} * sizeof(shm::Run);
  if (record.bytes.size() - sizeof(body) < runs_bytes + body.header_bytes) {
    return false;
  }
  std::vector<shm::Run> runs(body.runs);
  if (runs_bytes > 0) {
    std::memcpy(runs.data(), record.bytes.data() + sizeof(body), runs_bytes);
  }
  const auto bytes =
      std::make_shared<const std::string>(std::move(record.bytes));
  const auto rest = BytesOf(*bytes).subspan(sizeof(body) + runs_bytes);
  const std::span<const std::byte> header = rest.first(body.header_bytes);
  const Payload::Slice own = {bytes, rest.subspan(body.header_bytes)};
  Payload message;
  message.Append(bytes, header);
  if (!Values(record.id, runs, own, &message)) return false;
  std::unique_ptr<Call> call;
  {
    MutexLock lock(&mu_);
    const auto it = calls_.find(record.id);
    if (it == calls_.end()) return true;  // Too late.
    call = std::move(it->second);
    calls_.erase(it);
  }
  const bool ok = body.status == 0;
  const absl::Status status(
      static_cast<absl::StatusCode>(body.status),
      absl::string_view(reinterpret_cast<const char*>(header.data()),
                        header.size()));
  if (auto* push = std::get_if<PsChannel::PushDone>(&call->done)) {
    if (ok) {
      (*push)(DecodePushReply(message));
    } else if (body.status == kElsewhere) {
      // It may have had its effect.
      (*push)(absl::UnavailableError("the answer was too long"));
    } else {
      (*push)(status);
    }
  } else if (auto* pull = std::get_if<PsChannel::PullDone>(&call->done)) {
    if (body.status == kElsewhere) {
      elsewhere(call->pull, call->deadline - SteadyNow(), std::move(*pull));
    } else if (ok) {
      (*pull)(DecodePullReply(message));
    } else {
      (*pull)(status);
    }
  }
  return true;
}

bool SharedSession::Values(uint64_t id, const std::vector<shm::Run>& runs,
                           const Payload::Slice& own, Payload* to) {
  std::shared_ptr<const Grant> grant;
  for (const shm::Run& run : runs) {
    if (run.file == shm::kNoFile) {
      const uint64_t bytes = own.bytes.size();
      if (run.offset > bytes || run.bytes > bytes - run.offset) return false;
      to->Append(own.owner, own.bytes.subspan(run.offset, run.bytes));
      continue;
    }
    if (grant == nullptr) {
      grant = std::make_shared<const Grant>(shared_from_this(), id);
    }
    const shm::Mapping* file = FileOf(run.file);
    if (file == nullptr || run.offset > file->bytes().size() ||
        run.bytes > file->bytes().size() - run.offset) {
      return false;
    }
    to->Append(grant, file->bytes().subspan(run.offset, run.bytes));
  }
  return true;
}

const shm::Mapping* SharedSession::FileOf(uint32_t number) {
  if (number >= kMostSharedFiles) return nullptr;
  while (files_.size() <= number) {
    // It was sent before the record that names it.
    auto message = shm::ReceiveMessage(socket_.get(), kSharedPatience);
    SharedFile file;
    if (!message.ok() || message->bytes.size() != sizeof(file) ||
        message->fds.size() != 1) {
      return nullptr;
    }
    std::memcpy(&file, message->bytes.data(), sizeof(file));
    if (file.number != static_cast<int64_t>(files_.size())) return nullptr;
    auto mapping = shm::MapToRead(message->fds[0].get(), file.bytes);
    if (!mapping.ok()) return nullptr;
    files_.push_back(*std::move(mapping));
  }
  return &files_[number];
}

void SharedSession::Expire() {
  std::vector<std::unique_ptr<Call>> late;
  const absl::Time now = SteadyNow();
  {
    MutexLock lock(&mu_);
    if (now < next_deadline_) return;
    next_deadline_ = absl::InfiniteFuture();
    for (auto it = calls_.begin(); it != calls_.end();) {
      if (it->second->deadline > now) {
        next_deadline_ = std::min(next_deadline_, it->second->deadline);
        ++it;
        continue;
      }
      late.push_back(std::move(it->second));
      calls_.erase(it++);
    }
  }
  for (const auto& call : late) EndCall(&call->done, NoAnswerInTime());
}

// The server hears of it when it looks next, which is soon: waking it for that
// alone would cost more than the memory is worth.
void SharedSession::Release(uint64_t id) {
  MutexLock lock(&mu_);
  if (!link_.Write(kSharedRelease, id, {})) releases_.push_back(id);
}

}  // namespace ebb::rpc::internal
