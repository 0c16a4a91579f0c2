// Operations of a device's computing lane, put down in order.
#ifndef EBB_MODELS_GPU_OPERATIONS_H_
#define EBB_MODELS_GPU_OPERATIONS_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

namespace ebb::models::gpu {

// An operation is a trivially copyable struct that can be compared and has
//
//   void Issue(Engine* engine) const;
//
// Equal ones do the same. Not thread-safe; once it has been as long as it gets,
// nothing is allocated.
template <typename Engine>
class Operations {
 public:
  size_t size() const { return operations_.size(); }
  void Clear() {
    operations_.clear();
    bytes_.clear();
  }
  template <typename Operation>
  void Add(const Operation& operation) {
    static_assert(std::is_trivially_copyable_v<Operation>);
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof(operation));
    std::memcpy(&bytes_[at], &operation, sizeof(operation));
    operations_.push_back({&kTypeOf<Operation>, at});
  }

  // The i-th of both.
  bool SameAt(size_t i, const Operations& other) const {
    const Put &ours = operations_[i], &theirs = other.operations_[i];
    return ours.type == theirs.type &&
           ours.type->same(&bytes_[ours.at], &other.bytes_[theirs.at]);
  }
  // Returns whether the first ones are those of `other`, all of them.
  bool StartsWith(const Operations& other) const {
    if (size() < other.size()) return false;
    for (size_t i = 0; i < other.size(); ++i) {
      if (!SameAt(i, other)) return false;
    }
    return true;
  }
  bool operator==(const Operations& other) const {
    return size() == other.size() && StartsWith(other);
  }

  // Issues those from `begin` on.
  void Issue(size_t begin, Engine* engine) const {
    for (size_t i = begin; i < size(); ++i) {
      operations_[i].type->issue(&bytes_[operations_[i].at], engine);
    }
  }

 private:
  struct Type {
    bool (*same)(const std::byte*, const std::byte*);
    void (*issue)(const std::byte*, Engine*);
  };
  struct Put {
    const Type* type;
    size_t at;  // In bytes_.
  };

  template <typename Operation>
  static Operation Read(const std::byte* from) {
    std::array<std::byte, sizeof(Operation)> bytes;
    std::memcpy(bytes.data(), from, sizeof(Operation));
    return std::bit_cast<Operation>(bytes);
  }
  // Compares members: the bytes between them mean nothing.
  template <typename Operation>
  static bool Same(const std::byte* a, const std::byte* b) {
    return Read<Operation>(a) == Read<Operation>(b);
  }
  template <typename Operation>
  static void IssueOne(const std::byte* from, Engine* engine) {
    Read<Operation>(from).Issue(engine);
  }
  template <typename Operation>
  static constexpr Type kTypeOf = {&Same<Operation>, &IssueOne<Operation>};

  std::vector<Put> operations_;
  std::vector<std::byte> bytes_;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_OPERATIONS_H_
