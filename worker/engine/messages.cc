#include "worker/engine/messages.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::worker {

namespace {

static_assert(std::endian::native == std::endian::little);
static_assert(sizeof(Header) == 16 && sizeof(HelloBody) == 24 &&
              sizeof(PushBody) == 24 && sizeof(SteppedBody) == 16 &&
              sizeof(EvaluatedBody) == 40 && sizeof(FigureBody) == 64 &&
              sizeof(Order) == 24 && sizeof(JobBody) == 72 &&
              sizeof(TableBody) == 16 && sizeof(PlaceBody) == 24 &&
              sizeof(BatchBody) == 48 && sizeof(EvaluateBody) == 32 &&
              sizeof(RowsBody) == 32 && sizeof(LookUpBody) == 16 &&
              sizeof(RowMemoryBody) == 16 && sizeof(RowTableBody) == 8 &&
              sizeof(Model) == 16 && sizeof(ModuleBody) == 32 &&
              sizeof(SharedBody) == 32 && sizeof(Found) == 24);

// Takes a message apart from its front.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::byte> rest) : rest_(rest) {}

  template <typename T>
  absl::Status Take(T* out) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (rest_.size() < sizeof(T)) {
      return absl::InvalidArgumentError("a message is too short");
    }
    std::memcpy(out, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return absl::OkStatus();
  }
  absl::Status TakeText(std::string* out) {
    if (rest_.size() > kMostText) {
      return absl::InvalidArgumentError("a text is too long");
    }
    out->assign(reinterpret_cast<const char*>(rest_.data()), rest_.size());
    rest_ = {};
    return absl::OkStatus();
  }
  absl::Status End() const {
    if (rest_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("a message is too long");
  }

 private:
  std::span<const std::byte> rest_;
};

absl::Status ReadFigures(uint64_t count, MessageReader* in,
                         std::vector<Figure>* out) {
  if (count > kMostProgramFigures) {
    return absl::InvalidArgumentError(absl::StrCat(
        count, " figures; an evaluation has at most ", kMostProgramFigures));
  }
  for (uint64_t i = 0; i < count; ++i) {
    FigureBody body;
    EBB_RETURN_IF_ERROR(in->Take(&body));
    const size_t length = strnlen(body.name, sizeof(body.name));
    out->push_back({std::string(body.name, length), body.value});
  }
  return absl::OkStatus();
}

// One count for each table, to the end of the message.
absl::Status ReadCounts(uint64_t tables, MessageReader* in,
                        std::vector<uint64_t>* out) {
  if (tables > kMostRowTables) {
    return absl::InvalidArgumentError(absl::StrCat(
        "keys of ", tables, " tables; a job has at most ", kMostRowTables));
  }
  for (uint64_t i = 0; i < tables; ++i) {
    EBB_RETURN_IF_ERROR(in->Take(&out->emplace_back()));
  }
  return in->End();
}

absl::Status ReadRows(uint32_t code, MessageReader* in, Rows* rows) {
  RowsBody body;
  EBB_RETURN_IF_ERROR(in->Take(&body));
  rows->place = body.place;
  if (code != 0) return in->TakeText(&rows->failed.emplace());
  return ReadCounts(body.tables, in, &rows->counts);
}

absl::Status ReadTable(MessageReader* in, ModelTable* table) {
  EBB_RETURN_IF_ERROR(in->Take(&table->share));
  EBB_RETURN_IF_ERROR(in->Take(&table->body));
  const int64_t dims = table->body.dims;
  if (dims < 0 || dims > static_cast<int64_t>(kMostDims)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a table has ", dims, " dimensions; the most is ", kMostDims));
  }
  for (int64_t i = 0; i < dims; ++i) {
    EBB_RETURN_IF_ERROR(in->Take(&table->dims.emplace_back()));
  }
  return in->TakeText(&table->name);
}

template <typename Body>
absl::Status TakeOnly(MessageReader* in, Body* body) {
  EBB_RETURN_IF_ERROR(in->Take(body));
  return in->End();
}

absl::Status ReadBody(Kind kind, MessageReader* in, Request* request) {
  switch (kind) {
    case Kind::kHello: {
      auto& hello = request->body.emplace<Hello>();
      EBB_RETURN_IF_ERROR(in->Take(&hello.body));
      return in->TakeText(&hello.version);
    }
    case Kind::kMemory:
      request->body.emplace<Memory>();
      return in->End();
    case Kind::kNext:
      request->body.emplace<Next>();
      return in->End();
    case Kind::kPush: {
      auto& push = request->body.emplace<Push>();
      push.waits = request->code != kHasNext;
      return TakeOnly(in, &push.body);
    }
    case Kind::kStepped: {
      auto& stepped = request->body.emplace<Stepped>();
      EBB_RETURN_IF_ERROR(in->Take(&stepped.body));
      if (request->code == 0) return in->End();
      EBB_RETURN_IF_ERROR(in->TakeText(&stepped.not_finite));
      if (stepped.not_finite.empty()) stepped.not_finite = "not finite";
      return absl::OkStatus();
    }
    case Kind::kFail: {
      auto& fail = request->body.emplace<Fail>();
      EBB_RETURN_IF_ERROR(in->Take(&fail.body));
      return in->TakeText(&fail.why);
    }
    case Kind::kEvaluated: {
      auto& evaluated = request->body.emplace<Evaluated>();
      EBB_RETURN_IF_ERROR(in->Take(&evaluated.body));
      EBB_RETURN_IF_ERROR(
          ReadFigures(evaluated.body.figures, in, &evaluated.figures));
      return in->TakeText(&evaluated.error);
    }
    case Kind::kOrder:
      return TakeOnly(in, &request->body.emplace<Order>());
    case Kind::kAhead:
      return TakeOnly(in, &request->body.emplace<Ahead>());
    case Kind::kLeave:
      request->body.emplace<Leave>();
      return in->End();
    case Kind::kRows:
      return ReadRows(request->code, in, &request->body.emplace<Rows>());
    case Kind::kLookUp: {
      auto& look_up = request->body.emplace<LookUp>();
      EBB_RETURN_IF_ERROR(in->Take(&look_up.body));
      return ReadCounts(look_up.body.tables, in, &look_up.counts);
    }
    case Kind::kRowMemory:
      return TakeOnly(in, &request->body.emplace<RowMemoryBody>());
    case Kind::kModel:
      return TakeOnly(in, &request->body.emplace<Model>());
    case Kind::kModelTable:
      return ReadTable(in, &request->body.emplace<ModelTable>());
    case Kind::kFound:
      return TakeOnly(in, &request->body.emplace<Found>());
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "a message of kind ", static_cast<uint32_t>(kind), " is no request"));
  }
}

}  // namespace

absl::StatusOr<Request> ReadRequest(std::span<const std::byte> message) {
  MessageReader in(message);
  Header header;
  EBB_RETURN_IF_ERROR(in.Take(&header));
  Request request;
  request.sequence = header.sequence;
  request.code = header.code;
  EBB_RETURN_IF_ERROR(ReadBody(header.kind, &in, &request));
  return request;
}

std::string EncodeBytes(const Header& header, std::span<const std::byte> body,
                        absl::string_view tail) {
  std::string out(sizeof(header) + body.size() + tail.size(), '\0');
  std::memcpy(out.data(), &header, sizeof(header));
  std::copy_n(reinterpret_cast<const char*>(body.data()), body.size(),
              out.begin() + sizeof(header));
  std::copy(tail.begin(), tail.end(),
            out.begin() + static_cast<int64_t>(sizeof(header) + body.size()));
  return out;
}

std::string EncodeText(const Header& header, absl::string_view text) {
  return EncodeBytes(header, {}, text.substr(0, kMostText));
}

std::string EncodeStatus(uint64_t sequence, const absl::Status& status,
                         absl::string_view hint) {
  if (status.ok()) return EncodeBytes({Kind::kDone, kTaken, sequence});
  std::string text(status.message().substr(0, kMostText));
  if (!hint.empty()) {
    text.push_back('\0');
    absl::StrAppend(&text, hint);
  }
  return EncodeBytes(
      {Kind::kError, static_cast<uint32_t>(status.code()), sequence}, {}, text);
}

}  // namespace ebb::worker
