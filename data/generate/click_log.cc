#include "data/generate/click_log.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/generate/decimal.h"
#include "data/generate/portable_math.h"

namespace ebb::data::generate {
namespace {

constexpr int64_t kCalibrationRows = 10'000;
constexpr int64_t kMostClickNumbers = 1'000'000;  // Of the features of a row.

int64_t VocabularyOf(const ClickOptions& options, int field) {
  return options.vocabulary[field % options.vocabulary.size()];
}

// A bijection of 32 bits (the finaliser of MurmurHash3): no two values of a
// field become one.
uint32_t Scramble(uint32_t x) {
  x = (x ^ x >> 16) * 0x85ebca6b;
  x = (x ^ x >> 13) * 0xc2b2ae35;
  return x ^ x >> 16;
}

void AppendHex(uint32_t number, std::string* out) {
  for (int shift = 28; shift >= 0; shift -= 4) {
    out->push_back("0123456789abcdef"[number >> shift & 15]);
  }
}

}  // namespace

absl::Status ClickOptions::Validate() const {
  EBB_RETURN_IF_ERROR(CheckBetween("--fields", fields, 0, 1000));
  EBB_RETURN_IF_ERROR(CheckBetween("--numeric", numeric, 0, 1000));
  EBB_RETURN_IF_ERROR(CheckBetween("--fields and --numeric together",
                                   fields + numeric, 1, 2000));
  EBB_RETURN_IF_ERROR(CheckBetween("--rank", rank, 0, 256));
  EBB_RETURN_IF_ERROR(CheckBetween("--linear", linear, 0.0, 20.0));
  EBB_RETURN_IF_ERROR(CheckBetween("--interactions", interactions, 0.0, 20.0));
  EBB_RETURN_IF_ERROR(CheckBetween("--rate", rate, 0.0001, 0.9999));
  const int64_t all = fields + numeric;
  EBB_RETURN_IF_ERROR(CheckBetween(
      "--rank times the number of fields (--field-aware: its square)",
      all * rank * (field_aware ? all : 1), int64_t{0}, kMostClickNumbers));
  if (vocabulary.empty() || exponents.empty()) {
    return absl::InvalidArgumentError(
        "--vocabulary and --exponent need a number at least");
  }
  for (const int64_t size : vocabulary) {
    EBB_RETURN_IF_ERROR(
        CheckBetween("--vocabulary", size, int64_t{1}, internal::kMaxFeatures));
  }
  for (const double exponent : exponents) {
    EBB_RETURN_IF_ERROR(CheckBetween("--exponent", exponent, 0.0, 10.0));
  }
  int64_t features = numeric;
  for (int field = 0; field < fields; ++field) {
    features += VocabularyOf(*this, field);
  }
  return CheckBetween("the number of features, the sum of all vocabularies,",
                      features, int64_t{1}, internal::kMaxFeatures);
}

ClickLog::ClickLog(const ClickOptions& options)
    : options_(options),
      model_({.seed = options.seed,
              .fields = options.fields + options.numeric,
              .rank = options.rank,
              .field_aware = options.field_aware,
              .linear = options.linear,
              .interactions = options.interactions}),
      row_(options.numeric + options.fields) {
  int64_t id = 1;
  for (; id <= options.numeric; ++id) row_[id - 1].id = id;
  for (int field = 0; field < options.fields; ++field) {
    const int64_t size = VocabularyOf(options, field);
    values_.emplace_back(size,
                         options.exponents[field % options.exponents.size()]);
    first_ids_.push_back(id);
    hex_keys_.push_back(static_cast<uint32_t>(HashAppend(options.seed, field)));
    id += size;
  }
  bias_ = Calibrate();
}

double ClickLog::DrawRow(Draws* draws) {
  for (int i = 0; i < options_.numeric; ++i) {
    row_[i].value = ToDecimal(draws->Normal());
  }
  for (size_t field = 0; field < values_.size(); ++field) {
    row_[options_.numeric + field].id =
        first_ids_[field] + values_[field].Draw(draws);
  }
  return model_.Logit(row_);
}

double ClickLog::Calibrate() {
  std::vector<double> logits;
  for (int64_t row = 0; row < kCalibrationRows; ++row) {
    Draws draws(options_.seed, Part::kCalibration, row);
    logits.push_back(DrawRow(&draws));
  }
  double low = -100;
  double high = 100;
  while (high - low > 1e-5) {
    const double bias = (low + high) / 2;
    double clicks = 0;
    for (const double logit : logits) clicks += Sigmoid(logit + bias);
    (clicks < options_.rate * kCalibrationRows ? low : high) = bias;
  }
  return ToDecimal(low);
}

std::vector<std::string> ClickLog::Suffixes() const {
  switch (options_.format) {
    case ClickFormat::kLibsvm:
      return {".libsvm"};
    case ClickFormat::kLibffm:
      return {".ffm"};
    case ClickFormat::kCriteo:
      return {".tsv"};
    case ClickFormat::kCsv:
      return {".csv"};
  }
  return {};
}

std::vector<Fact> ClickLog::Model() const {
  int64_t features = options_.numeric;
  for (int field = 0; field < options_.fields; ++field) {
    features += VocabularyOf(options_, field);
  }
  return {{"bias", bias_},
          {"weight_deviation", model_.weight_deviation()},
          {"latent_deviation", model_.latent_deviation()},
          {"features", features},
          {"first_ids", first_ids_}};
}

void ClickLog::Start(Part part, int64_t /*rows*/,
                     std::span<std::string> files) {
  part_ = part;
  known_ = {};
  if (options_.format == ClickFormat::kCsv) AppendHeader(&files[0]);
}

void ClickLog::Append(int64_t row, std::span<std::string> files) {
  Draws draws(options_.seed, part_, row);
  const double logit = bias_ + DrawRow(&draws);
  const bool click = draws.Uniform() < Sigmoid(logit);
  known_.Add(logit, click);
  std::string* out = &files[0];
  out->push_back(click ? '1' : '0');
  if (options_.format == ClickFormat::kLibsvm ||
      options_.format == ClickFormat::kLibffm) {
    AppendSparse(out);
  } else {
    AppendTable(out);
  }
  out->push_back('\n');
}

void ClickLog::AppendSparse(std::string* out) const {
  for (size_t field = 0; field < row_.size(); ++field) {
    out->push_back(' ');
    if (options_.format == ClickFormat::kLibffm) {
      AppendInteger(static_cast<int64_t>(field), out);
      out->push_back(':');
    }
    AppendInteger(row_[field].id, out);
    out->push_back(':');
    AppendDecimal(row_[field].value, out);
  }
}

void ClickLog::AppendTable(std::string* out) const {
  const char delimiter = options_.format == ClickFormat::kCsv ? ',' : '\t';
  for (int i = 0; i < options_.numeric; ++i) {
    out->push_back(delimiter);
    AppendDecimal(row_[i].value, out);
  }
  for (size_t field = 0; field < values_.size(); ++field) {
    const int64_t value = row_[options_.numeric + field].id - first_ids_[field];
    out->push_back(delimiter);
    AppendHex(Scramble(static_cast<uint32_t>(value) ^ hex_keys_[field]), out);
  }
}

void ClickLog::AppendHeader(std::string* out) const {
  out->append("label");
  for (int i = 1; i <= options_.numeric; ++i) absl::StrAppend(out, ",I", i);
  for (int i = 1; i <= options_.fields; ++i) absl::StrAppend(out, ",C", i);
  out->push_back('\n');
}

}  // namespace ebb::data::generate
