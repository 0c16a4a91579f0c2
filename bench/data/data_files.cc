#include "bench/data/data_files.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <isa-l/crc.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/data/tf_example.pb.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "data/generate/images.h"
#include "data/reader.h"

// It wants the types of <cstdio>.
#include <jpeglib.h>

namespace ebb::bench {

namespace {

using data::RecordFeature;
using data::SourceKind;
using data::SourceSpec;
using As = RecordFeature::As;

constexpr char kMessage[] = "Record";
constexpr size_t kFront = 12;  // Length of a record, and its checksum.

// Appends to a file; the error comes at the end.
class Output {
 public:
  explicit Output(const std::string& path)
      : path_(path), out_(path, std::ios::binary) {}
  void Add(absl::string_view bytes) {
    out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  absl::Status End() {
    out_.close();
    if (out_.good()) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("cannot write ", path_));
  }

 private:
  const std::string path_;
  std::ofstream out_;
};

template <typename Number>
std::string Bytes(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

void AddRecord(const tf::Example& example, Output* out) {
  const std::string record = example.SerializeAsString();
  const std::string length = Bytes(uint64_t{record.size()});
  out->Add(length);
  out->Add(Bytes(MaskedChecksum(length)));
  out->Add(record);
  out->Add(Bytes(MaskedChecksum(record)));
}

tf::Feature& FeatureIn(tf::Example* example, const std::string& name) {
  return (*example->mutable_features()->mutable_feature())[name];
}
void SetLabel(int64_t label, tf::Example* example) {
  FeatureIn(example, "label").mutable_int64_list()->add_value(label);
}

std::string BigEndian(uint32_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(number >> shift));
  }
  return bytes;
}

bool WritePng(const ImageSet& set, int64_t i, const std::string& path) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = static_cast<png_uint_32>(set.side);
  image.format = set.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  return png_image_write_to_file(&image, path.c_str(), 0, set.image(i).data(),
                                 0, nullptr) != 0;
}

// The image as a JPEG file.
std::string JpegOf(const ImageSet& set, int64_t i) {
  jpeg_compress_struct jpeg = {};
  jpeg_error_mgr errors = {};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): the library's type.
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = jpeg.image_height = static_cast<JDIMENSION>(set.side);
  jpeg.input_components = static_cast<int>(set.channels);
  jpeg.in_color_space = set.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&jpeg);
  constexpr int kQuality = 90;
  jpeg_set_quality(&jpeg, kQuality, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<uint8_t> row(static_cast<size_t>(set.side * set.channels));
  for (size_t y = 0; y < static_cast<size_t>(set.side); ++y) {
    std::ranges::copy(set.image(i).subspan(y * row.size(), row.size()),
                      row.begin());
    uint8_t* const at = row.data();
    JSAMPROW rows[] = {at};
    jpeg_write_scanlines(&jpeg, rows, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&jpeg);
  std::free(bytes);
  return file;
}

bool WriteJpeg(const ImageSet& set, int64_t i, const std::string& path) {
  Output out(path);
  out.Add(JpegOf(set, i));
  return out.End().ok();
}

// The values of a made-up record.
struct MadeRecord {
  int64_t label = 0;
  std::vector<double> numbers;
  std::vector<std::string> words;
};

MadeRecord MakeRecord(RecordKind kind, std::mt19937_64* random) {
  MadeRecord record = {.label = static_cast<int64_t>((*random)() & 1)};
  const int numbers = kind == RecordKind::kNumbers ? 28
                      : kind == RecordKind::kList  ? 64
                                                   : 13;
  for (int k = 0; k < numbers; ++k) {
    const auto drawn = static_cast<double>((*random)() % 8'000'000);
    record.numbers.push_back(kind == RecordKind::kClicks
                                 ? std::floor(drawn / 8'000)
                                 : (drawn - 4'000'000) / 1e6);
  }
  for (int k = 0; kind == RecordKind::kClicks && k < 26; ++k) {
    record.words.push_back(absl::StrFormat("%08x", (*random)() & 0xffffffff));
  }
  return record;
}

}  // namespace

absl::StatusOr<ImageSet> ReadImageSet(const std::string& fashion,
                                      int64_t count) {
  SourceSpec spec = {.kind = SourceKind::kIdx, .path = fashion + "/train"};
  data::OpenBytes open = data::OpenFile;
  if (fashion.empty()) {
    data::generate::Images made({});
    std::vector<std::string> files(2);
    made.Start(data::generate::Part::kTrain, count, files);
    for (int64_t i = 0; i < count; ++i) made.Append(i, files);
    spec.path = "made";
    const std::vector<std::string> ends = made.Suffixes();
    open = data::OpenMemory({{spec.path + ends[0], std::move(files[0])},
                             {spec.path + ends[1], std::move(files[1])}});
  }
  ImageSet set;
  EBB_ASSIGN_OR_RETURN(const auto reader, data::OpenReader(spec, open));
  data::Example example;
  while (set.images() < count) {
    EBB_ASSIGN_OR_RETURN(const bool more, reader->Next(&example));
    if (!more) break;
    set.pixels.insert(set.pixels.end(), example.bytes.begin(),
                      example.bytes.end());
    set.labels.push_back(static_cast<uint8_t>(example.label));
  }
  if (set.images() == 0 || std::ssize(set.pixels) % set.images() != 0 ||
      std::ssize(set.pixels) / set.images() != set.bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat(fashion, ": its images do not have 28x28 pixels"));
  }
  const int64_t there = set.images();
  for (int64_t i = 0; set.images() < count; ++i) {
    // Not insert(): the source is the same vector.
    const size_t at = set.pixels.size();
    set.pixels.resize(at + static_cast<size_t>(set.bytes()));
    std::ranges::copy(
        set.image(i % there),
        set.pixels.begin() + std::ssize(set.pixels) - set.bytes());
    set.labels.push_back(set.labels[static_cast<size_t>(i % there)]);
  }
  return set;
}

ImageSet MakeColourImages(int64_t side, int64_t count) {
  ImageSet set = {.side = side, .channels = 3};
  std::mt19937_64 random(1);
  const auto wide = static_cast<double>(side);
  for (int64_t i = 0; i < count; ++i) {
    set.labels.push_back(static_cast<uint8_t>(i % 10));
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x) {
        for (int64_t c = 0; c < 3; ++c) {
          const double wave =
              std::sin(static_cast<double>(x * (c + 1)) * 9 / wide +
                       static_cast<double>(i)) +
              std::cos(static_cast<double>(y * (3 - c)) * 7 / wide);
          const auto noise = static_cast<double>(random() % 16);
          set.pixels.push_back(static_cast<uint8_t>(120 + 50 * wave + noise));
        }
      }
    }
  }
  return set;
}

absl::Status WriteImageFiles(const ImageSet& set, int64_t count, ImageFile kind,
                             const std::string& folder) {
  std::error_code error;
  for (int64_t i = 0; i < count; ++i) {
    const std::string of_class =
        absl::StrCat(folder, "/", set.labels[static_cast<size_t>(i)]);
    std::filesystem::create_directories(of_class, error);
    const std::string path = absl::StrFormat(
        "%s/%07d.%s", of_class, i, kind == ImageFile::kPng ? "png" : "jpg");
    if (error || !(kind == ImageFile::kPng ? WritePng(set, i, path)
                                           : WriteJpeg(set, i, path))) {
      return absl::UnavailableError(absl::StrCat("cannot write ", path));
    }
  }
  return absl::OkStatus();
}

absl::Status WriteImageRecords(const ImageSet& set, int64_t count,
                               const std::string& path) {
  Output out(path);
  for (int64_t i = 0; i < count; ++i) {
    tf::Example example;
    const std::span<const uint8_t> image = set.image(i);
    FeatureIn(&example, "image")
        .mutable_bytes_list()
        ->add_value(reinterpret_cast<const char*>(image.data()), image.size());
    SetLabel(set.labels[static_cast<size_t>(i)], &example);
    AddRecord(example, &out);
  }
  return out.End();
}

absl::Status WriteJpegRecords(const ImageSet& set, int64_t count,
                              const std::string& path) {
  Output out(path);
  for (int64_t i = 0; i < count; ++i) {
    tf::Example example;
    FeatureIn(&example, "image")
        .mutable_bytes_list()
        ->add_value(JpegOf(set, i));
    SetLabel(set.labels[static_cast<size_t>(i)], &example);
    AddRecord(example, &out);
  }
  return out.End();
}

SourceSpec ImageRecords(const ImageSet& set, const std::string& path) {
  return {
      .kind = SourceKind::kTfRecord,
      .path = path,
      .features = {{.name = "image", .as = As::kBytes, .width = set.bytes()},
                   {.name = "label", .as = As::kLabel}}};
}

absl::Status WriteIdx(const ImageSet& set, int64_t count,
                      const std::string& path) {
  Output images(path + "-images-idx3-ubyte");
  Output labels(path + "-labels-idx1-ubyte");
  const auto side = static_cast<uint32_t>(set.side);
  images.Add(absl::StrCat(BigEndian(0x803),
                          BigEndian(static_cast<uint32_t>(count)),
                          BigEndian(side), BigEndian(side)));
  labels.Add(
      absl::StrCat(BigEndian(0x801), BigEndian(static_cast<uint32_t>(count))));
  for (int64_t i = 0; i < count; ++i) {
    const auto image = set.image(i % set.images());
    images.Add({reinterpret_cast<const char*>(image.data()), image.size()});
    labels.Add(Bytes(set.labels[static_cast<size_t>(i % set.images())]));
  }
  EBB_RETURN_IF_ERROR(images.End());
  return labels.End();
}

std::string NameOf(RecordKind kind) {
  switch (kind) {
    case RecordKind::kNumbers:
      return "28 numbers";
    case RecordKind::kList:
      return "a list of 64 numbers";
    case RecordKind::kClicks:
      return "a click log";
  }
  return "";
}

std::vector<RecordFeature> FeaturesOf(RecordKind kind) {
  std::vector<RecordFeature> features = {{.name = "label", .as = As::kLabel}};
  if (kind == RecordKind::kList) {
    features.push_back({.name = "x", .width = 64});
  }
  const int numbers = kind == RecordKind::kNumbers  ? 28
                      : kind == RecordKind::kClicks ? 13
                                                    : 0;
  for (int k = 0; k < numbers; ++k) {
    features.push_back({.name = absl::StrCat("number_", k)});
  }
  for (int k = 0; kind == RecordKind::kClicks && k < 26; ++k) {
    features.push_back({.name = absl::StrCat("word_", k), .as = As::kKey});
  }
  return features;
}

absl::Status WriteRecords(RecordKind kind, int64_t count,
                          const std::string& json, const std::string& tf) {
  Output lines(json);
  Output records(tf);
  std::mt19937_64 random(1);
  for (int64_t i = 0; i < count; ++i) {
    const MadeRecord made = MakeRecord(kind, &random);
    std::string line = absl::StrCat("{\"label\": ", made.label);
    tf::Example example;
    SetLabel(made.label, &example);
    if (kind == RecordKind::kList) {
      absl::StrAppend(&line, ", \"x\": [");
      tf::FloatList* const list = FeatureIn(&example, "x").mutable_float_list();
      for (const double number : made.numbers) {
        absl::StrAppend(&line, list->value_size() == 0 ? "" : ", ", number);
        list->add_value(static_cast<float>(number));
      }
      absl::StrAppend(&line, "]");
    }
    for (size_t k = 0; kind != RecordKind::kList && k < made.numbers.size();
         ++k) {
      const std::string name = absl::StrCat("number_", k);
      absl::StrAppend(&line, ", \"", name, "\": ", made.numbers[k]);
      tf::Feature& feature = FeatureIn(&example, name);
      if (kind == RecordKind::kClicks) {
        feature.mutable_int64_list()->add_value(
            static_cast<int64_t>(made.numbers[k]));
      } else {
        feature.mutable_float_list()->add_value(
            static_cast<float>(made.numbers[k]));
      }
    }
    for (size_t k = 0; k < made.words.size(); ++k) {
      const std::string name = absl::StrCat("word_", k);
      absl::StrAppend(&line, ", \"", name, "\": \"", made.words[k], "\"");
      FeatureIn(&example, name).mutable_bytes_list()->add_value(made.words[k]);
    }
    lines.Add(line + "}\n");
    AddRecord(example, &records);
  }
  EBB_RETURN_IF_ERROR(lines.End());
  return records.End();
}

absl::Status WriteMessages(RecordKind kind, int64_t count,
                           const std::string& descriptors,
                           const std::string& messages) {
  using google::protobuf::FieldDescriptorProto;
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::FileDescriptorSet set;
  google::protobuf::FileDescriptorProto& file = *set.add_file();
  file.set_name("record.proto");
  file.set_syntax("proto3");
  google::protobuf::DescriptorProto& type = *file.add_message_type();
  type.set_name(kMessage);
  const bool clicks = kind == RecordKind::kClicks;
  for (const RecordFeature& feature : FeaturesOf(kind)) {
    FieldDescriptorProto& field = *type.add_field();
    field.set_name(feature.name);
    field.set_number(type.field_size());
    field.set_label(feature.width > 1 ? FieldDescriptorProto::LABEL_REPEATED
                                      : FieldDescriptorProto::LABEL_OPTIONAL);
    field.set_type(feature.as == As::kKey ? FieldDescriptorProto::TYPE_STRING
                   : clicks || feature.as == As::kLabel
                       ? FieldDescriptorProto::TYPE_INT64
                       : FieldDescriptorProto::TYPE_FLOAT);
  }
  Output types(descriptors);
  types.Add(set.SerializeAsString());
  EBB_RETURN_IF_ERROR(types.End());
  Output out(messages);
  std::mt19937_64 random(1);
  for (int64_t i = 0; i < count; ++i) {
    const MadeRecord made = MakeRecord(kind, &random);
    std::string message;
    {
      google::protobuf::io::StringOutputStream bytes(&message);
      google::protobuf::io::CodedOutputStream coded(&bytes);
      int number = 1;
      WireFormatLite::WriteInt64(number++, made.label, &coded);
      if (kind == RecordKind::kList) {
        coded.WriteTag(WireFormatLite::MakeTag(
            number++, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
        coded.WriteVarint32(
            static_cast<uint32_t>(made.numbers.size() * sizeof(float)));
      }
      for (const double value : made.numbers) {
        if (clicks) {
          WireFormatLite::WriteInt64(number++, static_cast<int64_t>(value),
                                     &coded);
        } else if (kind == RecordKind::kList) {
          coded.WriteLittleEndian32(
              WireFormatLite::EncodeFloat(static_cast<float>(value)));
        } else {
          WireFormatLite::WriteFloat(number++, static_cast<float>(value),
                                     &coded);
        }
      }
      for (const std::string& word : made.words) {
        WireFormatLite::WriteString(number++, word, &coded);
      }
    }
    std::string length;
    {
      google::protobuf::io::StringOutputStream bytes(&length);
      google::protobuf::io::CodedOutputStream coded(&bytes);
      coded.WriteVarint32(static_cast<uint32_t>(message.size()));
    }
    out.Add(length + message);
  }
  return out.End();
}

SourceSpec Messages(RecordKind kind, const std::string& descriptors,
                    const std::string& messages) {
  return {.kind = SourceKind::kProtobuf,
          .path = messages,
          .protobuf = {.descriptors = descriptors, .message = kMessage},
          .features = FeaturesOf(kind)};
}

absl::Status WriteRows(int64_t rows, int64_t width, const std::string& tf,
                       const std::string& raw) {
  Output records(tf);
  Output floats(raw);
  std::mt19937_64 random(1);
  for (int64_t i = 0; i < rows; ++i) {
    tf::Example example;
    SetLabel(i % 10, &example);
    tf::FloatList* const list = FeatureIn(&example, "x").mutable_float_list();
    for (int64_t k = 0; k < width; ++k) {
      list->add_value(static_cast<float>(random() % 8'000'000) / 1e6F);
    }
    floats.Add({reinterpret_cast<const char*>(list->value().data()),
                static_cast<size_t>(width) * sizeof(float)});
    AddRecord(example, &records);
  }
  EBB_RETURN_IF_ERROR(floats.End());
  return records.End();
}

SourceSpec Rows(int64_t width, const std::string& tf) {
  return {.kind = SourceKind::kTfRecord,
          .path = tf,
          .features = {{.name = "x", .width = width},
                       {.name = "label", .as = As::kLabel}}};
}

absl::Status WriteBlobs(int64_t records, int64_t bytes, const std::string& tf) {
  Output out(tf);
  std::mt19937_64 random(1);
  for (int64_t i = 0; i < records; ++i) {
    tf::Example example;
    SetLabel(i % 10, &example);
    std::string blob;
    while (std::ssize(blob) < bytes) blob += Bytes(uint64_t{random()});
    blob.resize(static_cast<size_t>(bytes));
    FeatureIn(&example, "blob").mutable_bytes_list()->add_value(blob);
    AddRecord(example, &out);
  }
  return out.End();
}

SourceSpec Blobs(int64_t bytes, const std::string& tf) {
  return {.kind = SourceKind::kTfRecord,
          .path = tf,
          .features = {{.name = "blob", .as = As::kBytes, .width = bytes},
                       {.name = "label", .as = As::kLabel}}};
}

std::vector<absl::string_view> RecordsIn(absl::string_view file) {
  std::vector<absl::string_view> records;
  while (file.size() > kFront) {
    uint64_t length;
    std::memcpy(&length, file.data(), sizeof(length));
    records.push_back(file.substr(kFront, length));
    file.remove_prefix(std::min(file.size(), kFront + length + 4));
  }
  return records;
}

uint32_t Checksum(absl::string_view bytes) {
  // It only reads.
  auto* const data =
      reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
  return ~crc32_iscsi(data, static_cast<int>(bytes.size()), ~uint32_t{0});
}

uint32_t MaskedChecksum(absl::string_view bytes) {
  const uint32_t crc = Checksum(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

}  // namespace ebb::bench
