#include "data/growing/message_decoder.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/byte_source.h"
#include "data/reader.h"

namespace ebb::data::growing {
namespace {

// The longest line that readers take.
constexpr size_t kMostMessageBytes = size_t{16} << 20;
constexpr char kPath[] = "message";

// How many examples are read at once.
constexpr size_t kBatch = 4096;

std::string JoinLines(absl::string_view header,
                      std::span<const absl::string_view> messages) {
  size_t bytes = header.size() + 1;
  for (const absl::string_view message : messages) bytes += message.size() + 1;
  std::string text;
  text.reserve(bytes);
  if (!header.empty()) absl::StrAppend(&text, header, "\n");
  for (const absl::string_view message : messages) {
    text.append(message.data(), message.size());
    text.push_back('\n');
  }
  return text;
}

// "message:1: label: …" without the place, which is not that of the message.
std::string WithoutPlace(absl::string_view problem) {
  if (!absl::StartsWith(problem, absl::StrCat(kPath, ":"))) {
    return std::string(problem);
  }
  const size_t end = problem.find(": ");
  return std::string(end == absl::string_view::npos ? problem
                                                    : problem.substr(end + 2));
}

void Append(const pack::WindowSchema& schema, const pack::Window& from,
            pack::Window* to) {
  const auto append = [](const auto& these, auto* those) {
    those->insert(those->end(), these.begin(), these.end());
  };
  append(from.labels, &to->labels);
  append(from.bytes, &to->bytes);
  append(from.ids, &to->ids);
  append(from.keys, &to->keys);
  append(from.fields, &to->fields);
  if (schema.rows() && from.examples > 0) {
    const auto before = static_cast<int64_t>(to->values.size());
    if (to->offsets.empty()) to->offsets.push_back(0);
    for (size_t i = 1; i < from.offsets.size(); ++i) {
      to->offsets.push_back(before + from.offsets[i]);
    }
  }
  append(from.values, &to->values);
  to->examples += from.examples;
}

}  // namespace

bool IsMessageFormat(SourceKind kind) {
  switch (kind) {
    case SourceKind::kCsv:
    case SourceKind::kLibsvm:
    case SourceKind::kLibffm:
    case SourceKind::kRatings:
    case SourceKind::kCriteo:
    case SourceKind::kJsonLines:
      return true;
    default:
      return false;
  }
}

MessageDecoder::MessageDecoder(SourceSpec spec, const About& about)
    : spec_([&] {
        spec.path = kPath;
        spec.further_paths.clear();
        spec.on_bad_example = OnBadExample::kStop;
        // Without it the first message might be taken for one.
        spec.csv.header = about.header_line.empty() ? CsvOptions::Header::kNo
                                                    : CsvOptions::Header::kYes;
        if (spec.kind == SourceKind::kLibsvm && !spec.libsvm.keys) {
          spec.libsvm.features = about.schema.features;
        }
        if (spec.kind == SourceKind::kLibffm) {
          spec.libffm.fields = about.schema.features;
        }
        return std::move(spec);
      }()),
      encoding_(about.index.encoding),
      schema_(about.schema),
      header_line_(about.header_line) {}

std::string MessageDecoder::Misfit(const Example& example) const {
  const bool dense =
      schema_.layout == Layout::kDense || schema_.layout == Layout::kBytes;
  const auto width = static_cast<size_t>(schema_.features);
  const size_t found = std::max(example.values.size(), example.bytes.size());
  if (dense && found != width) {
    return absl::StrCat("it has ", found, " features, and the set has ", width);
  }
  if (!example.ids.empty() && example.ids.back() >= schema_.features) {
    return absl::StrCat("it has the feature ", example.ids.back(),
                        ", counted from 0, and the set has ", width);
  }
  for (const Field field : example.fields) {
    if (field < schema_.features) continue;
    return absl::StrCat("it has the field ", field, ", and the set has ",
                        width);
  }
  return "";
}

MessageDecoder::Batch MessageDecoder::ReadBatch(
    std::span<const absl::string_view> messages) const {
  Batch batch;
  const OpenBytes open =
      OpenMemory({{kPath, JoinLines(header_line_, messages)}});
  auto reader = OpenReader(spec_, open, encoding_);
  if (!reader.ok()) {
    batch.problem = std::string(reader.status().message());
    return batch;
  }
  Example example;
  for (;;) {
    const absl::StatusOr<bool> more = (*reader)->Next(&example);
    if (!more.ok()) {
      batch.problem = std::string(more.status().message());
      return batch;
    }
    if (!*more) break;
    batch.problem = Misfit(example);
    if (!batch.problem.empty()) return batch;
    batch.window.Add(schema_, example);
  }
  if ((*reader)->layout() != schema_.layout) {
    batch.problem = "it has another layout than the set";
    return batch;
  }
  batch.whole = true;
  return batch;
}

void MessageDecoder::DecodeRange(std::span<const absl::string_view> messages,
                                 std::span<DecodedMessage> outcomes,
                                 pack::Window* window) const {
  const Batch batch = ReadBatch(messages);
  const auto count = static_cast<int64_t>(messages.size());
  if (batch.whole && batch.window.examples == count) {
    Append(schema_, batch.window, window);
    return;
  }
  if (messages.size() == 1) {
    const bool none = batch.whole && batch.window.examples == 0;
    outcomes[0].outcome =
        none ? DecodedMessage::Outcome::kNone : DecodedMessage::Outcome::kBad;
    outcomes[0].reason = none ? "" : WithoutPlace(batch.problem);
    return;
  }
  const size_t half = messages.size() / 2;
  DecodeRange(messages.first(half), outcomes.first(half), window);
  DecodeRange(messages.subspan(half), outcomes.subspan(half), window);
}

absl::StatusOr<std::vector<DecodedMessage>> MessageDecoder::Decode(
    std::span<const absl::string_view> messages, pack::Window* window) const {
  std::vector<DecodedMessage> outcomes(messages.size());
  // Runs of messages that may be joined to lines.
  size_t begin = 0;
  const auto flush = [&](size_t end) {
    for (size_t at = begin; at < end; at += kBatch) {
      const size_t n = std::min(kBatch, end - at);
      DecodeRange(messages.subspan(at, n), std::span(outcomes).subspan(at, n),
                  window);
    }
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    const absl::string_view message = messages[i];
    const bool none =
        absl::StripAsciiWhitespace(message).empty() ||
        (!header_line_.empty() && message == header_line_) ||
        (!spec_.comment.empty() && absl::StartsWith(message, spec_.comment));
    const bool breaks = absl::StrContains(message, '\n');
    if (!none && !breaks && message.size() < kMostMessageBytes) continue;
    flush(i);
    begin = i + 1;
    if (none) {
      outcomes[i].outcome = DecodedMessage::Outcome::kNone;
      continue;
    }
    outcomes[i].outcome = DecodedMessage::Outcome::kBad;
    outcomes[i].reason =
        breaks ? std::string("it has a line break; a message is one line")
               : absl::StrCat("it has ", message.size(),
                              " bytes, and may have ", kMostMessageBytes);
  }
  flush(messages.size());
  return outcomes;
}

}  // namespace ebb::data::growing
