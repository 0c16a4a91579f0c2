// A folder in memory, which fails when told to, and forgets what was not synced
// when the power goes.
//
//   MemoryFiles files;                    // Has the folder MemoryFiles::kRoot.
//   auto objects = FolderObjects::Open({.folder = MemoryFiles::kRoot,
//                                       .files = &files});
//   files.FailAfter(17, absl::ResourceExhaustedError("disk full"));
#ifndef EBB_TESTS_TESTING_MEMORY_FILES_H_
#define EBB_TESTS_TESTING_MEMORY_FILES_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "common/objects/folder_files.h"
#include "common/status_macros.h"

namespace ebb {

// Thread-safe: servers have a store each over one.
class MemoryFiles final : public FolderFiles {
 public:
  static constexpr char kRoot[] = "/shared";

  MemoryFiles() { root_->entries["shared"] = NewFolder(); }

  // So many more calls that change something succeed, and then each fails with
  // `status`; the first may be carried out in part.
  void FailAfter(int64_t changes, absl::Status status) {
    MutexLock lock(&mu_);
    room_ = changes;
    fault_ = std::move(status);
  }
  void Mend() { FailAfter(std::numeric_limits<int64_t>::max(), {}); }
  // Calls that changed something, so far.
  int64_t changes() const {
    MutexLock lock(&mu_);
    return changes_;
  }
  // Called before each call that changes something, with its path.
  void BeforeChanges(std::function<void(const std::string&)> hook) {
    MutexLock lock(&mu_);
    hook_ = std::move(hook);
  }

  // Leaves out the syncs of folders whose path it returns true for, and says
  // that they were made.
  void LeaveOutSyncs(std::function<bool(const std::string&)> left_out) {
    MutexLock lock(&mu_);
    left_out_ = std::move(left_out);
  }
  // A hard link takes the place of a file that is there.
  void LetLinksReplace() {
    MutexLock lock(&mu_);
    links_replace_ = true;
  }

  // There are no hard links: each fails with `status`.
  void RefuseLinks(absl::Status status) {
    MutexLock lock(&mu_);
    link_fault_ = std::move(status);
  }

  // Loses what was not synced. Each change of a folder and the bytes of each
  // file survive if `survives` says so. Mends it, too.
  void LosePower(absl::FunctionRef<bool()> survives) {
    MutexLock lock(&mu_);
    Lose(root_->entries["shared"].get(), survives);
    room_ = std::numeric_limits<int64_t>::max();
  }

  // Bytes of all files, and how many there are.
  int64_t bytes() const {
    MutexLock lock(&mu_);
    return BytesOf(*root_);
  }
  // Changes one bit of the file, durably.
  void Damage(const std::string& path, size_t at) {
    MutexLock lock(&mu_);
    std::string& bytes = Find(path)->bytes;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  }
  // All bytes of a file. NotFound.
  absl::StatusOr<std::string> Read(const std::string& path) {
    EBB_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, Open(path));
    return file->Read(0, file->facts().bytes);
  }
  // Paths of all files below the root, in order.
  std::vector<std::string> Files() const {
    MutexLock lock(&mu_);
    std::vector<std::string> all;
    AddFiles(*root_->entries.at("shared"), kRoot, &all);
    return all;
  }

  absl::StatusOr<bool> MakeFolder(const std::string& path) override {
    EBB_RETURN_IF_ERROR(Change(path));
    MutexLock lock(&mu_);
    EBB_ASSIGN_OR_RETURN(Node * parent, Folder(ParentOf(path)));
    if (parent->entries.contains(NameOf(path))) return false;
    parent->Add(NameOf(path), NewFolder());
    return true;
  }

  absl::StatusOr<std::vector<FolderEntry>> Entries(
      const std::string& path) override {
    MutexLock lock(&mu_);
    EBB_ASSIGN_OR_RETURN(const Node* folder, Folder(path));
    std::vector<FolderEntry> entries;
    for (const auto& [name, node] : folder->entries) {
      entries.push_back({name, node->folder, node->bytes.size()});
    }
    return entries;
  }

  absl::StatusOr<FileFacts> Look(const std::string& path) override {
    MutexLock lock(&mu_);
    const Node* node = Find(path);
    if (node == nullptr) return absl::NotFoundError(path);
    return FactsOf(*node);
  }

  absl::Status WriteNew(const std::string& path,
                        std::span<const absl::string_view> parts) override {
    absl::Status fault = Change(path);
    MutexLock lock(&mu_);
    EBB_ASSIGN_OR_RETURN(Node * parent, Folder(ParentOf(path)));
    if (parent->entries.contains(NameOf(path))) {
      return absl::AlreadyExistsError(path);
    }
    auto file = std::make_shared<Node>();
    file->number = ++files_made_;
    for (const absl::string_view part : parts) {
      file->bytes.append(part.data(), part.size());
    }
    if (!fault.ok()) file->bytes.resize(file->bytes.size() / 2);
    file->synced = fault.ok();
    parent->Add(NameOf(path), std::move(file));
    return fault;
  }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path) override {
    MutexLock lock(&mu_);
    const Node* file = Find(path);
    if (file == nullptr || file->folder) return absl::NotFoundError(path);
    return std::make_unique<OpenFile>(FactsOf(*file), file->bytes);
  }

  absl::Status Link(const std::string& file, const std::string& path) override {
    EBB_RETURN_IF_ERROR(Change(path));
    MutexLock lock(&mu_);
    EBB_RETURN_IF_ERROR(link_fault_);
    EBB_ASSIGN_OR_RETURN(Node * parent, Folder(ParentOf(path)));
    EBB_ASSIGN_OR_RETURN(const Node* from, Folder(ParentOf(file)));
    const auto node = from->entries.find(NameOf(file));
    if (node == from->entries.end()) return absl::NotFoundError(file);
    if (parent->entries.contains(NameOf(path)) && !links_replace_) {
      return absl::AlreadyExistsError(path);
    }
    parent->Add(NameOf(path), node->second);
    return absl::OkStatus();
  }

  // Between two folders these are two changes: a loss of power may undo one.
  absl::Status Rename(const std::string& from, const std::string& to) override {
    EBB_RETURN_IF_ERROR(Change(from));
    MutexLock lock(&mu_);
    EBB_ASSIGN_OR_RETURN(Node * parent, Folder(ParentOf(from)));
    EBB_ASSIGN_OR_RETURN(Node * target, Folder(ParentOf(to)));
    const auto it = parent->entries.find(NameOf(from));
    if (it == parent->entries.end()) return absl::NotFoundError(from);
    const auto there = target->entries.find(NameOf(to));
    if (there != target->entries.end() &&
        there->second->folder != it->second->folder) {
      return it->second->folder ? absl::NotFoundError(to)
                                : absl::UnavailableError(to);
    }
    if (there != target->entries.end() && there->second->folder &&
        !there->second->entries.empty()) {
      return absl::AlreadyExistsError(to);
    }
    if (parent == target) {
      parent->Change({.from = NameOf(from), .to = NameOf(to)});
    } else {
      target->Add(NameOf(to), it->second);
      parent->Change({.from = NameOf(from)});
    }
    return absl::OkStatus();
  }

  absl::Status SyncFolder(const std::string& path) override {
    EBB_RETURN_IF_ERROR(Change(path));
    MutexLock lock(&mu_);
    EBB_ASSIGN_OR_RETURN(Node * folder, Folder(path));
    if (left_out_ != nullptr && left_out_(path)) return absl::OkStatus();
    folder->durable = folder->entries;
    folder->unsynced.clear();
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    return RemoveOne(path, /*folder=*/false);
  }
  absl::Status RemoveFolder(const std::string& path) override {
    return RemoveOne(path, /*folder=*/true);
  }

 private:
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  // A file or folder that comes (`added`), goes (no `to`), or gets a new name.
  struct FolderChange {
    std::string from;
    std::string to;
    NodePtr added;

    void Apply(std::map<std::string, NodePtr>* entries) const {
      NodePtr node = added;
      if (node == nullptr) {
        const auto it = entries->find(from);
        if (it == entries->end()) return;
        node = it->second;
        entries->erase(it);
      }
      if (!to.empty()) (*entries)[to] = std::move(node);
    }
  };
  struct Node {
    bool folder = false;
    uint64_t number = 0;  // No other file has it.
    std::string bytes;
    bool synced = true;  // The bytes.
    std::map<std::string, NodePtr> entries;
    std::map<std::string, NodePtr> durable;
    std::vector<FolderChange> unsynced;

    void Change(FolderChange change) {
      change.Apply(&entries);
      unsynced.push_back(std::move(change));
    }
    void Add(const std::string& name, NodePtr node) {
      Change({.to = name, .added = std::move(node)});
    }
  };

  class OpenFile final : public File {
   public:
    OpenFile(FileFacts facts, std::string bytes)
        : facts_(std::move(facts)), bytes_(std::move(bytes)) {}
    const FileFacts& facts() const override { return facts_; }
    absl::StatusOr<std::string> Read(uint64_t offset, uint64_t bytes) override {
      return offset >= bytes_.size() ? "" : bytes_.substr(offset, bytes);
    }

   private:
    const FileFacts facts_;
    const std::string bytes_;
  };

  static NodePtr NewFolder() {
    auto node = std::make_shared<Node>();
    node->folder = true;
    return node;
  }
  static std::vector<std::string> Split(const std::string& path) {
    return absl::StrSplit(path, '/', absl::SkipEmpty());
  }
  static std::string NameOf(const std::string& path) {
    return Split(path).back();
  }
  static std::string ParentOf(const std::string& path) {
    std::vector<std::string> names = Split(path);
    std::string parent;
    for (size_t i = 0; i + 1 < names.size(); ++i) {
      absl::StrAppend(&parent, "/", names[i]);
    }
    return parent;
  }

  static FileFacts FactsOf(const Node& node) {
    return {node.folder, node.bytes.size(), absl::StrCat(node.number)};
  }

  Node* Find(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    Node* node = root_.get();
    for (const std::string& name : Split(path)) {
      const auto it = node->entries.find(name);
      if (it == node->entries.end()) return nullptr;
      node = it->second.get();
    }
    return node;
  }
  absl::StatusOr<Node*> Folder(const std::string& path) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    Node* node = Find(path);
    if (node == nullptr || !node->folder) return absl::NotFoundError(path);
    return node;
  }

  absl::Status RemoveOne(const std::string& path, bool folder) {
    EBB_RETURN_IF_ERROR(Change(path));
    MutexLock lock(&mu_);
    const Node* node = Find(path);
    if (node == nullptr || node->folder != folder) {
      return absl::NotFoundError(path);
    }
    if (!node->entries.empty()) return absl::AlreadyExistsError(path);
    (*Folder(ParentOf(path)))->Change({.from = NameOf(path)});
    return absl::OkStatus();
  }

  absl::Status Change(const std::string& path) {
    std::function<void(const std::string&)> hook;
    {
      MutexLock lock(&mu_);
      hook = hook_;
    }
    if (hook != nullptr) hook(path);
    MutexLock lock(&mu_);
    if (room_ <= 0) return fault_;
    --room_;
    ++changes_;
    return absl::OkStatus();
  }

  static void Lose(Node* node, absl::FunctionRef<bool()> survives) {
    if (!node->synced && !survives()) node->bytes.clear();
    node->synced = true;
    for (const FolderChange& change : node->unsynced) {
      if (survives()) change.Apply(&node->durable);
    }
    node->unsynced.clear();
    node->entries = node->durable;
    for (const auto& [name, child] : node->entries) {
      Lose(child.get(), survives);
    }
  }
  static int64_t BytesOf(const Node& node) {
    auto bytes = static_cast<int64_t>(node.bytes.size());
    for (const auto& [name, child] : node.entries) bytes += BytesOf(*child);
    return bytes;
  }
  static void AddFiles(const Node& node, const std::string& path,
                       std::vector<std::string>* all) {
    if (!node.folder) all->push_back(path);
    for (const auto& [name, child] : node.entries) {
      AddFiles(*child, absl::StrCat(path, "/", name), all);
    }
  }

  mutable Mutex mu_;
  const NodePtr root_ = NewFolder();  // Its nodes are guarded by mu_.
  int64_t room_ ABSL_GUARDED_BY(mu_) = std::numeric_limits<int64_t>::max();
  int64_t changes_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status fault_ ABSL_GUARDED_BY(mu_);
  std::function<void(const std::string&)> hook_ ABSL_GUARDED_BY(mu_);
  std::function<bool(const std::string&)> left_out_ ABSL_GUARDED_BY(mu_);
  bool links_replace_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status link_fault_ ABSL_GUARDED_BY(mu_);
  uint64_t files_made_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace ebb

#endif  // EBB_TESTS_TESTING_MEMORY_FILES_H_
