// The headers of a growing set (docs/formats/growing.md): plain structs of what
// proto/ebb/v1/growing_set.proto stores.
#ifndef EBB_DATA_GROWING_HEADERS_H_
#define EBB_DATA_GROWING_HEADERS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/index.h"
#include "data/pack/window_schema.h"
#include "data/reader.h"

namespace ebb::data::growing {

// XXH3 (128 bits) of a whole object.
struct ObjectHash {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const ObjectHash&, const ObjectHash&) = default;
};

// The source of the messages.
struct SourceIdentity {
  // kPut: programs put messages, whose offsets are given when they are stored.
  // kFiles: files that grow and rotate. kKafka: a cluster of brokers.
  enum class Kind { kPut = 1, kFiles = 2, kKafka = 3 };
  Kind kind = Kind::kPut;
  std::string cluster;  // The cluster's id, or empty.
  // Names within Kafka's cluster, or patterns of files, ascending.
  std::vector<std::string> streams;
  // Files: how many first bytes a file is known by.
  int64_t fingerprint_bytes = 0;

  // "kafka (cluster M3x; clicks, views)". For messages.
  std::string ToString() const;
  friend bool operator==(const SourceIdentity&,
                         const SourceIdentity&) = default;
};

enum class OnBad { kStop = 1, kAside = 2 };
enum class OnLost { kPause = 1, kSkip = 2 };

// The description of a set. It is created once.
struct About {
  std::string identity;  // kIdentityBytes random bytes.
  int64_t created_unix_ms = 0;
  std::string place;
  SourceIdentity source;
  // A serialised DataSource of job.proto, whose path is "messages".
  std::string data_source;
  std::string header_line;  // Empty: there is none.
  OnBad on_bad = OnBad::kStop;
  OnLost on_lost = OnLost::kPause;
  int64_t sampled = 0;
  pack::WindowSchema schema;
  // No files and no examples: the meaning of the source, features, classes,
  // means and deviations, and what text becomes.
  Index index;
  std::optional<ColumnNames> names;

  // "3f2a9c…": the first bytes of the identity. For people.
  std::string ShortId() const;
};
inline constexpr size_t kIdentityBytes = 16;

// The offsets [begin, end) of a partition that an object covers.
struct CoveredRange {
  std::string partition;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t examples = 0;
  int64_t left_out = 0;
  int64_t absent = 0;

  friend bool operator==(const CoveredRange&, const CoveredRange&) = default;
};

// A message that was fed: its offset, and XXH3 (64 bits) of its value.
struct Anchor {
  int64_t offset = 0;
  uint64_t hash = 0;

  friend bool operator==(const Anchor&, const Anchor&) = default;
};

struct PartitionEnd {
  int64_t end = 0;
  // The last message that was fed and can be read again.
  std::optional<Anchor> anchor;

  friend bool operator==(const PartitionEnd&, const PartitionEnd&) = default;
};
// By the name of the partition.
using Ends = std::map<std::string, PartitionEnd>;

// Offsets that the source no longer had.
struct LostRange {
  std::string partition;
  int64_t begin = 0;
  int64_t end = 0;
  std::string reason;

  friend bool operator==(const LostRange&, const LostRange&) = default;
};

// Sums over an object and all before it.
struct Totals {
  int64_t left_out = 0;
  int64_t absent = 0;
  int64_t lost = 0;

  friend bool operator==(const Totals&, const Totals&) = default;
};

// An object of the chain, without its columns.
struct ObjectHeader {
  std::string identity;
  int64_t place = 0;
  int64_t first = 0;
  int64_t count = 0;
  std::vector<CoveredRange> ranges;
  Ends ends;                         // All partitions have one here.
  std::optional<ObjectHash> before;  // Absent: it is the first.
  int64_t created_unix_ms = 0;
  std::vector<LostRange> lost;
  Totals totals;
  // Its file and offset are 0. No columns if there are no examples.
  pack::WindowEntry window;
  bool end = false;
  // Differs between feeders whose messages have no offsets of their own; else
  // empty.
  std::string writer;
};

// No reader or feeder sees what lies below `place`.
struct Floor {
  std::string identity;
  int64_t floor = 0;  // Floors are numbered from 0.
  int64_t place = 0;
  int64_t number = 0;  // The first at that place.
  Ends ends;           // Before it.
  ObjectHash before;   // The hash of the object at place - 1.
  Totals totals;       // The sums over the objects below.
  int64_t created_unix_ms = 0;
};

}  // namespace ebb::data::growing

#endif  // EBB_DATA_GROWING_HEADERS_H_
