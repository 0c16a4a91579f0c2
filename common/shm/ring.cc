#include "common/shm/ring.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <limits>

#include "common/steady_time.h"

namespace ebb::shm {

namespace {

// Stands before each record. Both are a multiple of it, so that it never has
// to be read in two parts.
struct RecordHeader {
  uint32_t bytes = 0;
  uint32_t kind = 0;
  uint64_t id = 0;
};
constexpr uint64_t kUnit = sizeof(RecordHeader);
static_assert(kUnit == 16);

// Another thread that had the processor had it for longer than this.
constexpr absl::Duration kYield = absl::Microseconds(8);
constexpr int kPausesPerSpin = 24;

uint64_t Padded(uint64_t bytes) { return (bytes + kUnit - 1) / kUnit * kUnit; }

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Not private: the word is known by its file in all processes.
void FutexWait(const std::atomic<uint32_t>* word, uint32_t value,
               absl::Duration limit) {
  const timespec time = absl::ToTimespec(limit);
  syscall(SYS_futex, word, FUTEX_WAIT, value, &time, nullptr, 0);
}

void FutexWake(const std::atomic<uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void CopyIn(std::span<std::byte> ring, uint64_t at,
            std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const uint64_t begin = at & (ring.size() - 1);
  const size_t first = std::min<size_t>(bytes.size(), ring.size() - begin);
  std::memcpy(ring.data() + begin, bytes.data(), first);
  std::memcpy(ring.data(), bytes.data() + first, bytes.size() - first);
}

void CopyOut(std::span<const std::byte> ring, uint64_t at,
             std::span<std::byte> bytes) {
  if (bytes.empty()) return;
  const uint64_t begin = at & (ring.size() - 1);
  const size_t first = std::min<size_t>(bytes.size(), ring.size() - begin);
  std::memcpy(bytes.data(), ring.data() + begin, first);
  std::memcpy(bytes.data() + first, ring.data(), bytes.size() - first);
}

}  // namespace

bool Spinner::AloneHere() {
  const absl::Time before = SteadyNow();
  sched_yield();
  return SteadyNow() - before < kYield;
}

template <typename Ready>
bool Spinner::Spin(Ready ready) {
  constexpr int kSpinsPerYield = 8;
  if (ready()) return true;
  if (spins_ < kLeastSpins) {
    // It did not help: try again now and then.
    if (++skipped_ < kSkips) return false;
    skipped_ = 0;
    spins_ = kLeastSpins;
  }
  for (int i = 0; i < spins_; ++i) {
    for (int j = 0; j < kPausesPerSpin; ++j) Pause();
    if (ready()) {
      spins_ = std::min(2 * spins_, kMostSpins);
      return true;
    }
    if (i % kSpinsPerYield == kSpinsPerYield - 1 && !AloneHere()) {
      spins_ = 0;
      return ready();
    }
  }
  spins_ /= 2;
  return false;
}

Link::Link(std::span<std::byte> own, SideSize own_size,
           std::span<const std::byte> peer, SideSize peer_size,
           bool steps_aside)
    : own_(reinterpret_cast<SideHeader*>(own.data())),
      own_ring_(own.subspan(SideSize::kHeaderBytes, own_size.ring_bytes)),
      peer_(reinterpret_cast<const SideHeader*>(peer.data())),
      peer_ring_(peer.subspan(SideSize::kHeaderBytes, peer_size.ring_bytes)),
      steps_aside_(steps_aside) {
  static_assert(sizeof(SideHeader) <= SideSize::kHeaderBytes);
}

int64_t Link::most_bytes() const {
  return static_cast<int64_t>(own_ring_.size() / 2 - kUnit);
}

bool Link::Write(uint32_t kind, uint64_t id,
                 std::span<const std::span<const std::byte>> parts) {
  uint64_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  const uint64_t whole = kUnit + Padded(bytes);
  // It is from the other process: nonsense makes the ring look full, or lets
  // that process lose what it has not read.
  const uint64_t consumed = peer_->consumed.load(std::memory_order_acquire);
  const uint64_t unread = written_ - consumed;
  if (unread > own_ring_.size() || own_ring_.size() - unread < whole) {
    return false;
  }
  const RecordHeader header = {static_cast<uint32_t>(bytes), kind, id};
  CopyIn(own_ring_, written_, std::as_bytes(std::span(&header, 1)));
  uint64_t at = written_ + kUnit;
  for (const auto& part : parts) {
    CopyIn(own_ring_, at, part);
    at += part.size();
  }
  written_ += whole;
  own_->written.store(written_, std::memory_order_release);
  return true;
}

void Link::Wake(uint32_t reasons) {
  // Pairs with the fence of Wait(): either it sees what was written before
  // this, or this sees that it sleeps.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if ((peer_->waits.load(std::memory_order_relaxed) & reasons) == 0) return;
  own_->bell.fetch_add(1, std::memory_order_release);
  FutexWake(&own_->bell);
}

bool Link::PeerLooksSoon() const {
  // Pairs with the fence of Wait(), as in Wake().
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return (peer_->waits.load(std::memory_order_relaxed) & kSoon) != 0;
}

bool Link::Write(uint32_t kind, uint64_t id,
                 std::initializer_list<std::span<const std::byte>> parts) {
  return Write(kind, id, std::span(parts.begin(), parts.size()));
}

Link::Got Link::Read(Record* record) {
  const uint64_t written = peer_->written.load(std::memory_order_acquire);
  const uint64_t there = written - consumed_;
  if (there == 0) return Got::kNothing;
  if (there > peer_ring_.size() || there % kUnit != 0) return Got::kNonsense;
  RecordHeader header;
  CopyOut(peer_ring_, consumed_, std::as_writable_bytes(std::span(&header, 1)));
  const uint64_t whole = kUnit + Padded(header.bytes);
  if (whole > there) return Got::kNonsense;
  record->kind = header.kind;
  record->id = header.id;
  record->bytes.resize(header.bytes);
  CopyOut(peer_ring_, consumed_ + kUnit,
          std::as_writable_bytes(std::span<char>(record->bytes)));
  consumed_ += whole;
  own_->consumed.store(consumed_, std::memory_order_release);
  return Got::kRecord;
}

bool Link::Ready(uint32_t reasons, uint64_t consumed_by_peer) const {
  if (peer_->written.load(std::memory_order_acquire) != consumed_) return true;
  return (reasons & kRoom) != 0 &&
         peer_->consumed.load(std::memory_order_acquire) != consumed_by_peer;
}

void Link::Wait(uint32_t reasons, absl::Duration limit) {
  const uint64_t consumed = seen_consumed_;
  const auto ready = [&] { return Ready(reasons, consumed); };
  if (!spinner_.Spin(ready)) {
    const uint32_t bell = peer_->bell.load(std::memory_order_acquire);
    own_->waits.store(reasons, std::memory_order_relaxed);
    // Pairs with that of Wake().
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!ready()) FutexWait(&peer_->bell, bell, limit);
    own_->waits.store(0, std::memory_order_relaxed);
    if (ready()) StayApart();
  }
  seen_consumed_ = peer_->consumed.load(std::memory_order_acquire);
}

void Link::StayApart() {
  const int core = sched_getcpu();
  own_->core.store(static_cast<uint32_t>(core + 1), std::memory_order_relaxed);
  if (!steps_aside_) return;
  // It is from the other process: in any case it is only a number to compare.
  const uint32_t other = peer_->core.load(std::memory_order_relaxed);
  if (other == 0 || !step_aside_.Met(core, static_cast<int>(other - 1))) return;
  StepAside::Leave(core);
}

void Link::EndWait() { FutexWake(&peer_->bell); }

void Link::AlsoWaitForRoom() {
  uint32_t waits = own_->waits.load(std::memory_order_relaxed);
  while (waits != 0 && !own_->waits.compare_exchange_weak(
                           waits, waits | kRoom, std::memory_order_seq_cst)) {
  }
}

}  // namespace ebb::shm
