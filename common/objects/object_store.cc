#include "common/objects/object_store.h"

#include <algorithm>
#include <array>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

constexpr int kProbes = 8;

// Returns whether the whole list, page after page, has the key.
absl::StatusOr<bool> IsListed(ObjectStore* store, const std::string& key) {
  EBB_ASSIGN_OR_RETURN(const std::vector<ListedObject> listed,
                       ListAllObjects(store, key));
  return std::ranges::find(listed, key, &ListedObject::key) != listed.end();
}

absl::Status Lacks(const ObjectStore& store, absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat(store.place(), " cannot be used: ", what,
                   ". Use a store that keeps this, or a newer version of it"));
}

template <typename Add>
absl::Status ForEachPage(ObjectStore* store, ListOptions options, int64_t most,
                         Add add) {
  int64_t listed = 0;
  do {
    EBB_ASSIGN_OR_RETURN(ObjectPage page, store->List(options));
    listed += static_cast<int64_t>(page.objects.size() + page.folders.size());
    if (listed > most) {
      return absl::ResourceExhaustedError(absl::StrCat(
          store->place(), options.prefix, " has more than ", most, " objects"));
    }
    if (!page.next.empty() && page.next == options.after) {
      return absl::UnavailableError(absl::StrCat(
          store->place(), options.prefix, ": a list does not come to its end"));
    }
    options.after = page.next;
    add(std::move(page));
  } while (!options.after.empty());
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckObjectKey(absl::string_view key) {
  bool good = !key.empty() && key.size() <= kMostKeyBytes;
  for (const absl::string_view part : absl::StrSplit(key, '/')) {
    good = good && !part.empty() && part[0] != '.';
  }
  for (const char c : key) {
    good = good && !absl::ascii_iscntrl(static_cast<unsigned char>(c));
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", absl::CHexEscape(key.substr(0, kMostKeyBytes)),
      "\" cannot be the key of an object: it must be 1 to ", kMostKeyBytes,
      " bytes, with no part empty or with a first "
      "\".\""));
}

absl::StatusOr<std::vector<ListedObject>> ListAllObjects(
    ObjectStore* store, absl::string_view prefix, int64_t most) {
  std::vector<ListedObject> all;
  EBB_RETURN_IF_ERROR(ForEachPage(
      store, {.prefix = std::string(prefix)}, most, [&](ObjectPage page) {
        std::ranges::move(page.objects, std::back_inserter(all));
      }));
  return all;
}

absl::StatusOr<std::vector<std::string>> ListObjectFolders(
    ObjectStore* store, absl::string_view prefix, int64_t most) {
  std::vector<std::string> all;
  EBB_RETURN_IF_ERROR(
      ForEachPage(store, {.prefix = std::string(prefix), .folders = true}, most,
                  [&](ObjectPage page) {
                    std::ranges::move(page.folders, std::back_inserter(all));
                  }));
  return all;
}

absl::StatusOr<std::string> PutObject(ObjectStore* store, absl::string_view key,
                                      absl::string_view bytes,
                                      const PutOptions& options) {
  const absl::string_view parts[] = {bytes};
  return store->Put(key, parts, options);
}

absl::StatusOr<std::string> CreateObject(ObjectStore* store,
                                         absl::string_view key,
                                         absl::string_view bytes) {
  return PutObject(store, key, bytes, {.create_only = true});
}

absl::Status ProbeObjectStore(ObjectStore* store, absl::string_view prefix) {
  const std::string key = absl::StrCat(prefix, "create");
  std::array<absl::Status, kProbes> outcomes;
  std::vector<std::thread> threads;
  for (int i = 0; i < kProbes; ++i) {
    threads.emplace_back([&, i] {
      outcomes[i] =
          CreateObject(store, key, absl::StrCat("probe ", i)).status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  int created = 0;
  for (const absl::Status& outcome : outcomes) {
    if (outcome.ok()) ++created;
    if (!outcome.ok() && !absl::IsAlreadyExists(outcome)) {
      store->Delete(key).IgnoreError();  // Another may have succeeded.
      return outcome;
    }
  }
  EBB_ASSIGN_OR_RETURN(const bool listed, IsListed(store, key));
  EBB_RETURN_IF_ERROR(store->Delete(key));
  EBB_ASSIGN_OR_RETURN(const bool still_listed, IsListed(store, key));
  if (created != 1) {
    return Lacks(
        *store, absl::StrCat("of ", kProbes, " creates of one object at once, ",
                             created,
                             " succeeded, and one must "
                             "(If-None-Match: *)"));
  }
  if (!listed) return Lacks(*store, "it does not list what was put before");
  if (still_listed) {
    return Lacks(*store, "it still lists what was deleted before");
  }
  return absl::OkStatus();
}

}  // namespace ebb
