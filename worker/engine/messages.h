// The messages between an engine and its program (docs/formats/computer.md).
//
//   absl::StatusOr<Request> request = ReadRequest(received);
//   if (const auto* push = std::get_if<Push>(&request->body)) ...
//   std::string answer = Encode({.kind = Kind::kBatch, .sequence = 7}, batch);
//
// Both ends run on one machine, so the structs are sent as they lie in memory,
// little-endian. The engine trusts no length, number or text of a request.
#ifndef EBB_WORKER_ENGINE_MESSAGES_H_
#define EBB_WORKER_ENGINE_MESSAGES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/scores/figures.h"

namespace ebb::worker {

// Numbers the form of these messages. Engine and program must have the same.
inline constexpr uint32_t kEngineFormat = 1;
// Bounds of one message.
inline constexpr size_t kMostMessageBytes = 64 << 10;
inline constexpr size_t kMostText = 4 << 10;
inline constexpr size_t kMostNumbers = 4096;
inline constexpr size_t kMostPlaces = 1024;
inline constexpr size_t kMostDims = 64;
inline constexpr size_t kMostProgramFigures = 16;
inline constexpr size_t kFigureNameBytes = 56;

enum class Kind : uint32_t {
  // From the program.
  kHello = 1,
  kMemory = 2,
  kNext = 3,
  kPush = 4,
  kFail = 5,
  kEvaluated = 7,
  kOrder = 8,
  kAhead = 9,
  kLeave = 10,
  // From the engine.
  kJob = 101,
  kTable = 102,
  kBatch = 103,
  kEvaluate = 104,
  kEnd = 105,
  kDone = 106,
  kError = 107,
  kNumbers = 108,
  kPlaces = 109,
  kLog = 110,
};

// Begins each message. An answer has the sequence of its request; kTable and
// kLog have 0.
struct Header {
  Kind kind = Kind::kHello;
  uint32_t code = 0;  // Meaning by kind.
  uint64_t sequence = 0;
};

// --- From the program --------------------------------------------------------

// Then the version of ebb as text. Header::code is kEngineFormat.
struct HelloBody {
  uint64_t first_ticket = 0;  // Above all that earlier engines gave.
  uint64_t evaluates = 0;     // Not 0: the program evaluates.
  uint64_t job = 0;           // Its number; 0: the newest of its name.
};
struct Hello {
  HelloBody body;
  std::string version;
};

// With the memory file.
struct Memory {};
struct Next {};
struct PushBody {
  uint64_t ticket = 0;
  double loss_sum = 0;
};
struct Push {
  PushBody body;
};
// Then why, as text.
struct FailBody {
  uint64_t ticket = 0;
};
struct Fail {
  FailBody body;
  std::string why;
};
// Then `figures` times FigureBody, and an error as text.
struct EvaluatedBody {
  uint64_t ticket = 0;
  int64_t examples = 0;
  double loss_sum = 0;
  int64_t correct = -1;
  uint64_t figures = 0;
};
struct FigureBody {
  char name[kFigureNameBytes] = {};  // Ends at the first 0.
  double value = 0;
};
struct Evaluated {
  EvaluatedBody body;
  std::vector<Figure> figures;
  std::string error;
};
// Which examples stand at these positions of an item: kNumbers, as many int64
// as kMostNumbers allows.
struct Order {
  int32_t epoch = 0;
  int32_t shard = 0;
  int64_t begin = 0;
  int64_t end = 0;
};
struct Ahead {
  uint64_t most = 0;  // Places.
};
struct Leave {};

struct Request {
  uint64_t sequence = 0;
  uint32_t code = 0;
  std::variant<Hello, Memory, Next, Push, Fail, Evaluated, Order, Ahead, Leave>
      body;
};

// InvalidArgument: no request, or one of another length.
absl::StatusOr<Request> ReadRequest(std::span<const std::byte> message);

// --- From the engine ---------------------------------------------------------

// Then the job's name, 0, and the fingerprint of its examples. kTable follows
// for each table.
struct JobBody {
  int64_t number = 0;
  uint64_t seed = 0;
  int64_t parameters = 0;
  int64_t examples = 0;
  int64_t batch = 0;
  int64_t epochs = 0;
  int64_t shard_size = 0;
  int64_t tables = 0;
};
// Then `dims` times int64, and the table's name.
struct TableBody {
  int64_t offset = 0;  // In parameters.
  int64_t dims = 0;
};
// Examples [begin, end) of an item.
struct PlaceBody {
  int32_t epoch = 0;
  int32_t shard = 0;
  int64_t begin = 0;
  int64_t end = 0;
};
struct BatchBody {
  uint64_t ticket = 0;
  PlaceBody place;
};
struct EvaluateBody {
  uint64_t ticket = 0;
  int64_t snapshot = 0;
};
// Header::code of kEnd. A text follows.
enum class EndReason : uint32_t {
  kComplete = 1,
  kCancelled = 2,
  kLeft = 3,
};
// Header::code of kDone: whether the batch was still this engine's.
inline constexpr uint32_t kTaken = 0;
inline constexpr uint32_t kStale = 1;
// kError has an absl::StatusCode in Header::code, then the message, and after a
// 0 the hint. kLog has 0 for information, 1 for warnings and 2 for errors, then
// the line.

std::string EncodeBytes(const Header& header,
                        std::span<const std::byte> body = {},
                        absl::string_view tail = {});

template <typename Body>
std::string Encode(const Header& header, const Body& body,
                   absl::string_view tail = {}) {
  return EncodeBytes(header, std::as_bytes(std::span(&body, 1)), tail);
}

// `text` is cut where a message would be too long.
std::string EncodeText(const Header& header, absl::string_view text);

// kError, or kDone where the status is OK.
std::string EncodeStatus(uint64_t sequence, const absl::Status& status,
                         absl::string_view hint = {});

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_MESSAGES_H_
