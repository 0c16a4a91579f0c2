// Keys of the scheduler's store: "numbers" (the last drawn), "server/ID",
// "store/ID" (of a server), "former/ID", "job/ID/record", "job/ID/state" and
// "forgotten/ID".
#ifndef EBB_SCHEDULER_STORE_KEYS_H_
#define EBB_SCHEDULER_STORE_KEYS_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"

namespace ebb::scheduler {

inline constexpr absl::string_view kNumbersKey = "numbers";
inline constexpr absl::string_view kServerPrefix = "server/";
// The name of a server's store, as it last registered.
inline constexpr absl::string_view kStorePrefix = "store/";
// Servers that left or were given up, and own no partition.
inline constexpr absl::string_view kFormerPrefix = "former/";
inline constexpr absl::string_view kJobPrefix = "job/";
// Jobs that no server is believed to know any more, whatever it says; and
// whether their versions stay.
inline constexpr absl::string_view kForgottenPrefix = "forgotten/";
inline constexpr absl::string_view kVersionsStay = "versions stay";
inline constexpr absl::string_view kVersionsGo = "versions go";

inline std::string ServerKey(ServerId id) {
  return absl::StrCat(kServerPrefix, id.value());
}
inline std::string StoreKey(ServerId id) {
  return absl::StrCat(kStorePrefix, id.value());
}
inline std::string FormerKey(ServerId id) {
  return absl::StrCat(kFormerPrefix, id.value());
}
inline std::string ForgottenKey(JobId id) {
  return absl::StrCat(kForgottenPrefix, id.value());
}
inline std::string JobKey(JobId id, absl::string_view part) {
  return absl::StrCat(kJobPrefix, id.value(), "/", part);
}

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_STORE_KEYS_H_
