#include <cstddef>
#include <cstdint>
#include <string>

#include "data/fuzz/fuzzing.h"
#include "data/source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ebb::data::CsvOptions;
  const std::string text(reinterpret_cast<const char*>(data), size);
  ebb::data::SourceSpec spec = {.kind = ebb::data::SourceKind::kCsv,
                                .path = "f"};
  ebb::data::ReadEverything(spec, {{"f", text}});
  ebb::data::ReadText(spec, {{"f", text}});
  spec.csv = {.missing = CsvOptions::Missing::kMean,
              .one_hot = 2,
              .hash_buckets = 3,
              .dates = {"1"},
              .date_parts = true};
  ebb::data::ReadText(spec, {{"f", text}});
  spec.csv = {.text = {.delimiter = "\t"},
              .header = CsvOptions::Header::kYes,
              .label = "1",
              .ignore = {"2"},
              .missing = CsvOptions::Missing::kMean};
  spec.label_kind = ebb::data::LabelKind::kReal;
  ebb::data::ReadEverything(spec, {{"f", text}});
  spec.csv = {.header = CsvOptions::Header::kNo,
              .missing = CsvOptions::Missing::kConstant};
  spec.has_labels = false;
  ebb::data::ReadEverything(spec, {{"f", text}});
  return 0;
}
