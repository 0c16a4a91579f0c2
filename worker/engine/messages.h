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
#include <optional>
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
inline constexpr uint32_t kEngineFormat = 7;
// Bounds of one message.
inline constexpr size_t kMostMessageBytes = 64 << 10;
inline constexpr size_t kMostText = 4 << 10;
inline constexpr size_t kMostNumbers = 4096;
inline constexpr size_t kMostPlaces = 1024;
inline constexpr size_t kMostDims = 64;
inline constexpr size_t kMostRowTables = 1024;
inline constexpr size_t kMostProgramFigures = 20;
inline constexpr size_t kFigureNameBytes = 56;

enum class Kind : uint32_t {
  // From the program.
  kHello = 1,
  kMemory = 2,
  kNext = 3,
  kPush = 4,
  kFail = 5,
  kStepped = 6,
  kEvaluated = 7,
  kOrder = 8,
  kAhead = 9,
  kLeave = 10,
  kRows = 11,
  kLookUp = 12,
  kRowMemory = 13,
  kModel = 14,
  kModelTable = 15,
  kFound = 16,
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
  kRowTable = 111,
  kWanted = 112,
  kModule = 113,
  kShared = 114,
  kDataSet = 115,
};

// Begins each message. An answer has the sequence of its request; kTable,
// kRowTable and kLog have 0.
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
// Header::code of kPush: the program also asks for the next batch, with the
// sequence that follows. It gets that if it is ready, else kDone with
// kNotReady.
inline constexpr uint32_t kAsks = 1;
// Also of kPush: the program has the next batch, and waits for no answer.
inline constexpr uint32_t kHasNext = 2;
struct PushBody {
  uint64_t ticket = 0;
  double loss_sum = 0;
  double factor = 1;  // The engine multiplies the dense sums by it.
};
struct Push {
  PushBody body;
  bool waits = true;  // For an answer: the code is not kHasNext.
};
// The batch is computed, but its run goes on: what came of it is handed in with
// the run's last batch. With Header::code not 0: its gradient is not finite,
// also of the last, and what of it, as text.
struct SteppedBody {
  uint64_t ticket = 0;
  double loss_sum = 0;
};
struct Stepped {
  SteppedBody body;
  std::string not_finite;
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
// Examples [begin, end) of an item.
struct PlaceBody {
  int32_t epoch = 0;
  int32_t shard = 0;
  int64_t begin = 0;
  int64_t end = 0;
};
// Which keys a batch has: RowsBody::tables times uint64, the number of keys of
// each table. The keys lie in the row memory. With Header::code not 0: the
// batch cannot be read, and why, as text.
struct RowsBody {
  PlaceBody place;
  uint64_t tables = 0;
};
struct Rows {
  PlaceBody place;
  std::vector<uint64_t> counts;
  std::optional<std::string> failed;
};
// The keys of an evaluation, as of a batch.
struct LookUpBody {
  uint64_t ticket = 0;
  uint64_t tables = 0;
};
struct LookUp {
  LookUpBody body;
  std::vector<uint64_t> counts;
};
// With a memory file for keys and rows, which replaces the last.
struct RowMemoryBody {
  uint64_t keys = 0;   // Room for so many keys.
  uint64_t bytes = 0;  // In all.
};
// Describes the class of a module: the answer to kModule. As many kModelTable
// follow as it has tables, in the order of the parameters.
struct Model {
  int64_t tables = 0;
  int64_t outputs = 0;  // Numbers for an example.
};
// Begins kTable. Then `dims` times int64, and the table's name.
struct TableBody {
  int64_t offset = 0;  // In parameters.
  int64_t dims = 0;
};
// It begins with the share, and goes on as kTable.
struct ModelTable {
  // How much a batch weighs in the average, if servers average what batches
  // come to; 0: the table is trained.
  double share = 0;
  TableBody body;
  std::vector<int64_t> dims;
  std::string name;
};

// A data set of the module: after the tables, as many as there were kDataSet.
struct Found {
  int64_t examples = 0;
  // A checksum of examples.
  uint64_t hash_high = 0;
  uint64_t hash_low = 0;
};

struct Request {
  uint64_t sequence = 0;
  uint32_t code = 0;
  std::variant<Hello, Memory, Next, Push, Stepped, Fail, Evaluated, Order,
               Ahead, Leave, Rows, LookUp, RowMemoryBody, Model, ModelTable,
               Found>
      body;
};

// InvalidArgument: no request, or one of another length.
absl::StatusOr<Request> ReadRequest(std::span<const std::byte> message);

// --- From the engine ---------------------------------------------------------

// Then the job's name, 0, and the fingerprint of its examples. kTable follows
// for each dense table, and kRowTable for each sparse one. Header::code is
// kDividesByBatch if the servers divide the sums of a batch by the examples of
// a whole one, and 0 if they divide by its own; and kProgramSteps besides if
// the program makes runs of steps by itself.
inline constexpr uint32_t kDividesByBatch = 1;
inline constexpr uint32_t kProgramSteps = 2;
struct JobBody {
  int64_t number = 0;
  uint64_t seed = 0;
  int64_t parameters = 0;
  int64_t examples = 0;
  int64_t batch = 0;
  int64_t epochs = 0;
  int64_t shard_size = 0;
  int64_t tables = 0;
  int64_t row_tables = 0;
};
// Then the table's name.
struct RowTableBody {
  int64_t width = 0;
};
// Header::code of kBatch and kEvaluate: the half of the memory with the values.
// Where the program steps, that of kBatch also has kGoesOn if the run goes on:
// the program has its values, and the memory's are no matter. And it has
// kEndsRun if the run ends with the batch: then its way back to where it began,
// times its examples, is handed in as the sums, else the batch is kStepped.
inline constexpr uint32_t kGoesOn = 2;
inline constexpr uint32_t kEndsRun = 4;
// A schedule of steps depends on these besides the place; both may change while
// a program is at its job. A module hears of neither.
struct StepsBody {
  double rate_factor = 1;  // Rollbacks multiply rates by it.
  int64_t epochs = 0;      // The job has so many.
};
// Then, as after EvaluateBody, the number of distinct keys of each sparse table
// as uint64. kWanted has a PlaceBody: kRows is to come before this batch.
struct BatchBody {
  uint64_t ticket = 0;
  PlaceBody place;
  StepsBody steps;
};
struct EvaluateBody {
  uint64_t ticket = 0;
  int64_t snapshot = 0;
  // Examples in the memory; 0: the program has its own.
  int64_t rows = 0;
  int64_t labelled = 0;  // 1: they have labels.
};
// A module of Python, whose text comes as a file. Then its path, the name of
// the class, and by turns names and values of its options, a 0 behind each.
struct ModuleBody {
  int64_t features = 0;
  int64_t classes = 0;  // 0: labels are values.
  uint64_t seed = 0;
  // So many kDataSet follow: those to train and to test on. Each has a path,
  // the name of the function, the fingerprint that the job gives, and by turns
  // names and values of its options, a 0 behind each. The text of its file
  // comes as a file; without one it is the module's.
  int64_t data_sets = 0;
};
// The memory, which comes as a file: parameters, sums, `rows` times `features`,
// as many labels, and `outputs` for each row. If the module has data sets:
// parameters, sums, and the numbers of `rows` examples as int64.
struct SharedBody {
  int64_t parameters = 0;
  int64_t rows = 0;
  int64_t features = 0;
  int64_t outputs = 0;
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
inline constexpr uint32_t kNotReady = 2;
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
