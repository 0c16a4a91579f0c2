// Records from one process to another of the same machine, in both directions,
// through two memory files: each process writes to its own and only reads the
// other's.
//
//   own file:   header | ring of what this process says | area
//   header:     written, consumed, waits, bell; each on a cache line of its own
//
//   Link link(own_bytes, peer_bytes, sizes);
//   link.Write(kind, id, {parts});     // Under the lock of the writers.
//   link.Wake(Link::kRecords);         // If the other one waits for that.
//   while (link.Read(&record) == Link::Got::kRecord) ...
//   link.Wait(Link::kRecords, absl::Milliseconds(50));
//
// A record is written whole before `written` names it (release, acquire), so a
// process that is killed at any instruction leaves a whole record, or none. A
// reader first copies a record, header and all, and judges only the copy. So
// whatever the other process does to its file meanwhile changes the contents of
// its own records, but no bound. No lock is shared, and no wait is endless, so
// nothing hangs on a wake-up that a killed process owed.
#ifndef EBB_COMMON_SHM_RING_H_
#define EBB_COMMON_SHM_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "common/shm/step_aside.h"

namespace ebb::shm {

// The beginning of a file. Made of zeros.
struct SideHeader {
  // Bytes of its own ring that are written, and of the other's that are read,
  // since the beginning. Its owner's stores (release) pair with the other's
  // loads (acquire).
  alignas(64) std::atomic<uint64_t> written;
  alignas(64) std::atomic<uint64_t> consumed;
  // The reasons for which its owner sleeps (Link::kRecords, kRoom, kSoon); 0:
  // it does not.
  alignas(64) std::atomic<uint32_t> waits;
  // Its owner changes it to wake the other process, which sleeps on it (futex).
  alignas(64) std::atomic<uint32_t> bell;
  // One more than the core that its owner's reader ran on last; 0: not known.
  alignas(64) std::atomic<uint32_t> core;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free &&
              std::atomic<uint32_t>::is_always_lock_free);

struct SideSize {
  static constexpr int64_t kHeaderBytes = 4096;

  int64_t ring_bytes = 0;  // A power of two, at least kHeaderBytes.
  int64_t area_bytes = 0;

  int64_t file_bytes() const { return kHeaderBytes + ring_bytes + area_bytes; }
};

struct Record {
  uint32_t kind = 0;
  uint64_t id = 0;
  std::string bytes;
};

// Says when to look again for a moment instead of sleeping: only while looking
// helps, and only while no other thread wants the processor.
class Spinner {
 public:
  // Until `ready`, or until it is better to sleep: then false.
  template <typename Ready>
  bool Spin(Ready ready);

 private:
  // One look at the others; false: one of them had the processor.
  bool AloneHere();

  int spins_ = kMostSpins;  // The next time at most.
  int skipped_ = 0;
  static constexpr int kMostSpins = 64;  // Each takes about 1 us.
  static constexpr int kLeastSpins = 2;
  static constexpr int kSkips = 64;
};

// One process's end. Reading and waiting are for one thread at a time, writing
// for one at a time; the two may be at once.
class Link {
 public:
  enum class Got { kRecord, kNothing, kNonsense };
  // Reasons to wait.
  static constexpr uint32_t kRecords = 1;
  static constexpr uint32_t kRoom = 2;
  // No reason: says beside them that the wait ends by itself within kSoonLimit.
  static constexpr uint32_t kSoon = 4;
  // The time for a few pushes of 1,000 rows: it is so short that a few of them
  // are under way.
  static constexpr absl::Duration kSoonLimit = absl::Microseconds(100);

  // Both begin with a SideHeader and have the sizes' bytes. Not owned.
  // `steps_aside`: of the two that read it is this one that looks for another
  // core when they are on one.
  Link(std::span<std::byte> own, SideSize own_size,
       std::span<const std::byte> peer, SideSize peer_size,
       bool steps_aside = false);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // The longest record that ever has room.
  int64_t most_bytes() const;
  // False: no room now. Does not wake the other side.
  bool Write(uint32_t kind, uint64_t id,
             std::span<const std::span<const std::byte>> parts);
  bool Write(uint32_t kind, uint64_t id,
             std::initializer_list<std::span<const std::byte>> parts);
  // Wakes the other process if it sleeps for one of `reasons`.
  void Wake(uint32_t reasons);
  // It sleeps, and will soon look by itself for records written before this.
  bool PeerLooksSoon() const;

  // kNonsense: the other process breaks the protocol, and its side cannot be
  // read any more.
  Got Read(Record* record);

  // Blocks until there is a record, or, if `reasons` has kRoom, the other has
  // read something, or for `limit`, or less for no reason.
  void Wait(uint32_t reasons, absl::Duration limit);
  // From another thread of this process: ends the other's wait, most likely.
  void EndWait();
  // Adds kRoom to the reasons of the present wait.
  void AlsoWaitForRoom();

 private:
  bool Ready(uint32_t reasons, uint64_t consumed_by_peer) const;
  // After a wait that the other ended.
  void StayApart();

  SideHeader* const own_;
  const std::span<std::byte> own_ring_;
  const SideHeader* const peer_;
  const std::span<const std::byte> peer_ring_;
  uint64_t written_ = 0;        // The writer's.
  uint64_t consumed_ = 0;       // The reader's.
  uint64_t seen_consumed_ = 0;  // The reader's: by the other process.
  Spinner spinner_;             // The reader's.
  const bool steps_aside_;
  StepAside step_aside_;  // The reader's.
};

}  // namespace ebb::shm

#endif  // EBB_COMMON_SHM_RING_H_
