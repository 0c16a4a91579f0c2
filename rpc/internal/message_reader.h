// Makes the protocol's structs of messages, by their lists of fields, and
// refuses what the bounds (bounds.proto) and the rules (message_rules.h) do not
// allow.
#ifndef EBB_RPC_INTERNAL_MESSAGE_READER_H_
#define EBB_RPC_INTERNAL_MESSAGE_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/utility/utility.h"
#include "protocol/field_list.h"
#include "protocol/messages.h"
#include "rpc/convert.h"
#include "rpc/internal/bounds.h"
#include "rpc/internal/check.h"
#include "rpc/internal/field_kinds.h"
#include "rpc/internal/message_rules.h"
#include "rpc/internal/wire_enums.h"

namespace ebb::rpc::internal {

// A message that is const is copied; out of another its texts are taken.
class MessageReader {
 public:
  // `records` may be null for a message without a job record.
  explicit MessageReader(RecordReceiver* records) : records_(records) {}

  // Returns false if the message is refused: then status() says why.
  template <typename Message, typename Struct>
  bool Read(Message& from, const Place& place, Struct* to) {
    if (!Take(JudgeMessage(std::as_const(from)))) return false;
    const auto& bounds = BoundsOf<std::remove_const_t<Message>, Struct>();
    size_t i = 0;
    const bool good = FieldsOfStruct<Struct>::All([&](auto field) {
      return ReadMember<decltype(field)>(from, place, bounds[i++],
                                         &field.In(*to));
    });
    return good && Take(Judge(std::as_const(*to)));
  }

  // The first refusal.
  absl::Status status() && { return std::move(status_); }

 private:
  bool Take(absl::Status status) {
    if (status.ok()) return true;
    status_ = std::move(status);
    return false;
  }

  // Returns what a field has that is a message, a list or a text.
  template <typename Field, typename Message>
  static auto& Part(Message& from) {
    if constexpr (std::is_const_v<Message>) {
      return Field::Get(from);
    } else {
      return *Field::Mutable(&from);
    }
  }

  template <typename Field, typename Message, typename T>
  bool ReadMember(Message& from, const Place& place, const Bound& bound,
                  T* to) {
    constexpr absl::string_view kName = Field::kName;
    if constexpr (std::is_same_v<T, JobRecordPtr>) {
      if (!IsThere<Field>(from, place, bound)) return false;
      absl::StatusOr<JobRecordPtr> record =
          records_->Take(Field::Mutable(&from));
      if (record.ok()) *to = *std::move(record);
      return Take(record.status());
    } else if constexpr (kIsOptional<T>) {
      return !Field::Has(from) ||
             ReadMember<Field>(from, place, bound, &to->emplace());
    } else if constexpr (kIsList<T>) {
      return ReadList<Field>(from, place, bound, to);
    } else if constexpr (Listed<T>) {
      if (!IsThere<Field>(from, place, bound)) return false;
      if (!Field::Has(from)) return true;
      return ReadPart<Field>(Part<Field>(from), place, to);
    } else if constexpr (std::is_same_v<T, std::string>) {
      const std::string& text = Field::Get(from);
      if (text.size() > static_cast<size_t>(bound.bytes) ||
          (bound.required && text.empty())) {
        return Take(BadText(place, kName, bound, text.size()));
      }
      *to = std::move(Part<Field>(from));
      return true;
    } else if constexpr (kIsRateFactor<Field>) {
      const double factor = Field::Get(from);
      *to = factor == 0 ? 1 : factor;
      return IsRateFactor(*to) ||
             Take(BadRateFactor(NameOf(place, kName), factor));
    } else {
      if constexpr (kMayLack<Field, Message, T>) {
        if (!Field::Has(from)) return true;
      }
      return ReadScalar<Field>(Field::Get(from), place, bound, to);
    }
  }

  template <typename Field, typename Message>
  bool IsThere(const Message& from, const Place& place, const Bound& bound) {
    if (!bound.required || Field::Has(from)) return true;
    return Take(Present(NameOf(place, Field::kName), false));
  }

  template <typename Field, typename Message, typename Struct>
  bool ReadPart(Message& from, const Place& outer, Struct* to) {
    const Place place{&Message::descriptor, &outer, Field::kName};
    return Read(from, place, to);
  }

  template <typename Field, typename Message, typename T>
  bool ReadList(Message& from, const Place& place, const Bound& bound,
                std::vector<T>* to) {
    auto& list = Part<Field>(from);
    if (list.size() > bound.entries) {
      return Take(BadCount(place, Field::kName, bound, list.size()));
    }
    to->clear();  // A member may begin with a default.
    to->reserve(list.size());
    for (auto& element : list) {
      T* const value = &to->emplace_back();
      if constexpr (Listed<T>) {
        if (!ReadPart<Field>(element, place, value)) return false;
      } else {
        if (!ReadScalar<Field>(element, place, bound, value)) return false;
      }
    }
    return true;
  }

  template <typename Field, typename Raw, typename T>
  bool ReadScalar(Raw raw, const Place& place, const Bound& bound, T* to) {
    constexpr absl::string_view kName = Field::kName;
    if constexpr (std::is_enum_v<T>) {
      const int64_t value = int64_t{raw} - OnWire<T>::kPlus;
      if (value >= 0 && value <= OnWire<T>::kLast) {
        *to = static_cast<T>(value);
        return true;
      }
      *to = T();
      return OnWire<T>::kOthers || Take(UnknownEnum(NameOf(place, kName), raw));
    } else {
      if constexpr (std::is_signed_v<Raw> && std::is_integral_v<Raw>) {
        if (raw < bound.least || raw > bound.most) {
          return Take(BadNumber(place, kName, bound, raw));
        }
      } else if constexpr (kIsId<T>) {
        if (bound.named && raw == 0) {
          return Take(Named(NameOf(place, kName), raw));
        }
      }
      if constexpr (std::is_same_v<T, absl::Duration>) {
        *to = kInMilliseconds<Field> ? absl::Milliseconds(raw)
                                     : absl::Microseconds(raw);
      } else {
        *to = static_cast<T>(raw);
      }
      return true;
    }
  }

  RecordReceiver* const records_;  // Not owned.
  absl::Status status_;
};

// The struct of a message that was received.
template <typename Struct, typename Message>
absl::StatusOr<Struct> ReadReceived(Message& from, RecordReceiver* records) {
  absl::StatusOr<Struct> to(absl::in_place);
  MessageReader reader(records);
  if (!reader.Read(from, Place{&Message::descriptor}, &*to)) {
    return std::move(reader).status();
  }
  return to;
}

// The variant with the alternative of a stream's message.
template <typename Variant, typename Message>
absl::StatusOr<Variant> ReadStream(Message& from, RecordReceiver* records) {
  MessageReader reader(records);
  absl::StatusOr<Variant> to(absl::in_place);
  const auto read = [&](auto field, auto* value) {
    auto* part = field.Mutable(&from);
    using Part = std::remove_pointer_t<decltype(part)>;
    return reader.Read(*part, Place{&Part::descriptor}, value);
  };
  bool good = false;
  const bool found =
      [&]<typename... Field, size_t... kIndex>(Fields<Field...>,
                                               std::index_sequence<kIndex...>) {
        return (
            (Field::Has(from) &&
             (good = read(Field(), &to->template emplace<kIndex>()), true)) ||
            ...);
      }(FieldsOfStruct<Variant>(),
        std::make_index_sequence<std::variant_size_v<Variant>>());
  if (!found) return EmptyMessage(Message::descriptor()->name());
  if (!good) return std::move(reader).status();
  return to;
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_MESSAGE_READER_H_
