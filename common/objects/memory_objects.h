// An ObjectStore in memory, for tests and the simulator.
#ifndef EBB_COMMON_OBJECTS_MEMORY_OBJECTS_H_
#define EBB_COMMON_OBJECTS_MEMORY_OBJECTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "common/objects/object_store.h"

namespace ebb {

// One call, as a hook sees it.
struct ObjectCall {
  enum class Kind { kGet, kPut, kList, kDelete };
  Kind kind = Kind::kGet;
  std::string key;  // A list has its prefix here.

  bool changes() const { return kind == Kind::kPut || kind == Kind::kDelete; }
};

// The faults that a store may have.
struct ObjectWeaknesses {
  bool creates_twice = false;  // `create_only` is ignored.
  bool lists_no_puts = false;  // A list shows only what was deleted once.
  bool lists_deletes = false;  // A list shows what was deleted, too.
};

// Thread-safe. Hooks run without a lock, and may block.
class MemoryObjects final : public ObjectStore {
 public:
  using Hook = std::function<absl::Status(const ObjectCall&)>;

  explicit MemoryObjects(ObjectWeaknesses weaknesses = {})
      : weaknesses_(weaknesses) {}

  // Runs before each call: on an error the call returns it, without effect.
  void BeforeCalls(Hook hook);
  // Runs after each call that succeeded: on an error the call returns it, and
  // has had its effect.
  void AfterCalls(Hook hook);

  // The keys, ascending.
  std::vector<std::string> Keys() const;
  uint64_t bytes() const;
  // Flips a bit of the byte. The object is there, and has the byte.
  void Damage(const std::string& key, size_t at);

  const std::string& place() const override { return place_; }
  absl::StatusOr<ObjectContent> Get(absl::string_view key,
                                    const GetOptions& options) override;
  absl::StatusOr<std::string> Put(absl::string_view key,
                                  std::span<const absl::string_view> parts,
                                  const PutOptions& options) override;
  absl::StatusOr<ObjectPage> List(const ListOptions& options) override;
  absl::Status Delete(absl::string_view key) override;

 private:
  struct Object {
    std::string bytes;
    std::string etag;
  };

  absl::Status Before(const ObjectCall& call);
  absl::Status After(const ObjectCall& call);
  absl::StatusOr<ObjectContent> GetNow(const std::string& key,
                                       const GetOptions& options) const;
  absl::StatusOr<std::string> PutNow(const std::string& key, std::string bytes,
                                     const PutOptions& options);
  ObjectPage ListNow(const ListOptions& options) const;

  const std::string place_ = "memory:";
  const ObjectWeaknesses weaknesses_;
  mutable Mutex mu_;
  std::map<std::string, Object> objects_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> deleted_ ABSL_GUARDED_BY(mu_);
  uint64_t puts_ ABSL_GUARDED_BY(mu_) = 0;
  Hook before_ ABSL_GUARDED_BY(mu_);
  Hook after_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_MEMORY_OBJECTS_H_
