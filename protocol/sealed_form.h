// Records (sealed_fields.h) whose form grew. A VisitForm() beside the codec
// names the fields once, each with the version that added it. What an older
// version does not have stays as it is:
//
//   template <typename Struct, typename Form>  // const Manifest or Manifest.
//     requires std::is_same_v<std::remove_const_t<Struct>, Manifest>
//   void VisitForm(Struct& manifest, Form&& form) {
//     form(1, manifest);  // VisitFields.
//     form(2, manifest.written_us);
//   }
//
//   std::string stored = SealForm("EBBM", 2, manifest);
//   EBB_RETURN_IF_ERROR(
//       UnsealForm("EBBM", 2, "checkpoint manifest", stored, &manifest)
//           .status());
//
// The lists of the protocol's structs say the versions (Since in field_list.h).
#ifndef EBB_PROTOCOL_SEALED_FORM_H_
#define EBB_PROTOCOL_SEALED_FORM_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protocol/field_codec.h"
#include "protocol/field_list.h"
#include "protocol/sealed.h"
#include "protocol/sealed_fields.h"

namespace ebb {

template <typename T>
inline constexpr bool kListsStructs = false;
template <Listed Struct>
inline constexpr bool kListsStructs<std::vector<Struct>> = true;

// The form in the eyes of a writer, and below of a reader.
class FormWriter {
 public:
  FormWriter(uint32_t version, FieldWriter* write)
      : version_(version), write_(*write) {}

  template <typename... Fields>
  void operator()(uint32_t since, const Fields&... fields) {
    if (version_ >= since) write_(fields...);
  }
  // It reads only.
  template <typename Read>
  void Only(uint32_t /*version*/, const Read& /*read*/) {}

 private:
  const uint32_t version_;
  FieldWriter& write_;
};

class FormReader {
 public:
  FormReader(uint32_t version, FieldReader* read)
      : version_(version), read_(*read) {}

  template <typename... Fields>
  void operator()(uint32_t since, Fields&&... fields) {
    if (version_ >= since) read_(fields...);
  }
  // Reads what only that version has; this ebb does not write it any more.
  template <typename Read>
  void Only(uint32_t version, const Read& read) {
    if (version_ == version) read(read_);
  }

 private:
  const uint32_t version_;
  FieldReader& read_;
};

// Hands over what version kVersion added to a listed struct, or to what is in
// it, in the order of the lists. What it added to all structs of a list is a
// Column.
template <uint32_t kVersion, typename Struct, typename Form>
void VisitSince(Struct& from, Form& form) {
  FieldsOfStruct<Struct>::ForEach([&](auto field) {
    auto& member = field.In(from);
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (field.kSince == kVersion) {
      form(kVersion, member);
    } else if constexpr (Listed<Member>) {
      VisitSince<kVersion>(member, form);
    } else if constexpr (kListsStructs<Member>) {
      FieldsOfStruct<typename Member::value_type>::ForEach([&](auto inner) {
        if constexpr (inner.kSince == kVersion) {
          form(kVersion, Column(
                             member, [](auto& element) -> auto& {
                               return decltype(inner)::In(element);
                             }));
        }
      });
    }
  });
}

// The newest version of which a list of the struct says something.
template <typename Struct>
consteval uint32_t NewestSince() {
  uint32_t newest = 1;
  FieldsOfStruct<Struct>::ForEach([&](auto field) {
    using Member =
        std::remove_cvref_t<decltype(field.In(std::declval<Struct&>()))>;
    newest = std::max(newest, field.kSince);
    if constexpr (Listed<Member>) {
      newest = std::max(newest, NewestSince<Member>());
    } else if constexpr (kListsStructs<Member>) {
      newest = std::max(newest, NewestSince<typename Member::value_type>());
    }
  });
  return newest;
}

// The form of a listed struct, whose newest version is kNewest.
template <uint32_t kNewest, typename Struct, typename Form>
void VisitListedForm(Struct& record, Form& form) {
  static_assert(NewestSince<std::remove_const_t<Struct>>() == kNewest);
  form(1, record);
  [&]<uint32_t... kLess>(std::integer_sequence<uint32_t, kLess...>) {
    (VisitSince<kLess + 2>(record, form), ...);
  }
  (std::make_integer_sequence<uint32_t, kNewest - 1>());
}

// Writes the record in that version of its form.
template <typename Record>
std::string SealForm(absl::string_view magic, uint32_t version,
                     const Record& record) {
  std::string body;
  FieldWriter write(&body);
  VisitForm(record, FormWriter(version, &write));
  return Seal(magic, version, body);
}

// Reads it, and returns the version. The errors of UnsealFields.
template <typename Record>
absl::StatusOr<uint32_t> UnsealForm(absl::string_view magic,
                                    uint32_t newest_version,
                                    absl::string_view what,
                                    absl::string_view bytes, Record* record) {
  uint32_t read_version = 0;
  const absl::Status status =
      UnsealFields(magic, newest_version, what, bytes,
                   [&](FieldReader& read, uint32_t version) {
                     read_version = version;
                     VisitForm(*record, FormReader(version, &read));
                   });
  if (!status.ok()) return status;
  return read_version;
}

}  // namespace ebb

#endif  // EBB_PROTOCOL_SEALED_FORM_H_
