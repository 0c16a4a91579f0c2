#include "common/objects/memory_objects.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/objects/internal/pages.h"
#include "common/status_macros.h"

namespace ebb {

void MemoryObjects::BeforeCalls(Hook hook) {
  MutexLock lock(&mu_);
  before_ = std::move(hook);
}

void MemoryObjects::AfterCalls(Hook hook) {
  MutexLock lock(&mu_);
  after_ = std::move(hook);
}

std::vector<std::string> MemoryObjects::Keys() const {
  MutexLock lock(&mu_);
  std::vector<std::string> keys;
  for (const auto& [key, object] : objects_) keys.push_back(key);
  return keys;
}

uint64_t MemoryObjects::bytes() const {
  MutexLock lock(&mu_);
  uint64_t bytes = 0;
  for (const auto& [key, object] : objects_) bytes += object.bytes.size();
  return bytes;
}

void MemoryObjects::Damage(const std::string& key, size_t at) {
  MutexLock lock(&mu_);
  objects_.at(key).bytes.at(at) ^= 1;
}

absl::Status MemoryObjects::Before(const ObjectCall& call) {
  Hook hook;
  {
    MutexLock lock(&mu_);
    hook = before_;
  }
  return hook ? hook(call) : absl::OkStatus();
}

absl::Status MemoryObjects::After(const ObjectCall& call) {
  Hook hook;
  {
    MutexLock lock(&mu_);
    hook = after_;
  }
  return hook ? hook(call) : absl::OkStatus();
}

absl::StatusOr<ObjectContent> MemoryObjects::GetNow(
    const std::string& key, const GetOptions& options) const {
  MutexLock lock(&mu_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return NoSuchObject(place_, key);
  const Object& object = it->second;
  if (!options.if_match.empty() && options.if_match != object.etag) {
    return ObjectChanged(place_, key);
  }
  const uint64_t size = object.bytes.size();
  if (!options.whole() && options.offset >= size) {
    return BeyondObject(place_, key, options.offset, size);
  }
  return ObjectContent{object.bytes.substr(options.offset, options.bytes),
                       object.etag, size};
}

absl::StatusOr<ObjectContent> MemoryObjects::Get(absl::string_view key,
                                                 const GetOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  const ObjectCall call{ObjectCall::Kind::kGet, std::string(key)};
  EBB_RETURN_IF_ERROR(Before(call));
  EBB_ASSIGN_OR_RETURN(ObjectContent content, GetNow(call.key, options));
  EBB_RETURN_IF_ERROR(After(call));
  return content;
}

absl::StatusOr<std::string> MemoryObjects::PutNow(const std::string& key,
                                                  std::string bytes,
                                                  const PutOptions& options) {
  MutexLock lock(&mu_);
  const auto it = objects_.find(key);
  const bool there = it != objects_.end();
  const bool conditional =
      (options.create_only && !weaknesses_.creates_twice) ||
      !options.if_match.empty();
  if (conditional && there && it->second.bytes == bytes) return it->second.etag;
  if (options.create_only && there && !weaknesses_.creates_twice) {
    return ObjectIsThere(place_, key);
  }
  if (!options.if_match.empty() &&
      (!there || it->second.etag != options.if_match)) {
    return ObjectChanged(place_, key);
  }
  Object& object = objects_[key];
  object.bytes = std::move(bytes);
  object.etag = absl::StrCat("\"", ++puts_, "\"");
  return object.etag;
}

absl::StatusOr<std::string> MemoryObjects::Put(
    absl::string_view key, std::span<const absl::string_view> parts,
    const PutOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  const ObjectCall call{ObjectCall::Kind::kPut, std::string(key)};
  EBB_RETURN_IF_ERROR(Before(call));
  EBB_ASSIGN_OR_RETURN(std::string etag,
                       PutNow(call.key, absl::StrJoin(parts, ""), options));
  EBB_RETURN_IF_ERROR(After(call));
  return etag;
}

ObjectPage MemoryObjects::ListNow(const ListOptions& options) const {
  MutexLock lock(&mu_);
  std::vector<ListedObject> all;
  if (!weaknesses_.lists_no_puts) {
    for (auto it = objects_.lower_bound(options.prefix);
         it != objects_.end() && absl::StartsWith(it->first, options.prefix);
         ++it) {
      all.push_back({it->first, it->second.bytes.size()});
    }
  }
  if (weaknesses_.lists_deletes) {
    for (const std::string& key : deleted_) {
      if (absl::StartsWith(key, options.prefix)) all.push_back({key, 0});
    }
  }
  return PageOf(std::move(all), options);
}

absl::StatusOr<ObjectPage> MemoryObjects::List(const ListOptions& options) {
  const ObjectCall call{ObjectCall::Kind::kList, options.prefix};
  EBB_RETURN_IF_ERROR(Before(call));
  ObjectPage page = ListNow(options);
  EBB_RETURN_IF_ERROR(After(call));
  return page;
}

absl::Status MemoryObjects::Delete(absl::string_view key) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  const ObjectCall call{ObjectCall::Kind::kDelete, std::string(key)};
  EBB_RETURN_IF_ERROR(Before(call));
  {
    MutexLock lock(&mu_);
    objects_.erase(call.key);
    if (weaknesses_.lists_deletes) deleted_.insert(call.key);
  }
  return After(call);
}

}  // namespace ebb
