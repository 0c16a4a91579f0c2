// The values that a job begins with, from a file of tensors, with the state of
// the optimizer if the file has it.
#ifndef EBB_TOOLS_EBB_MODEL_INITIAL_VALUES_H_
#define EBB_TOOLS_EBB_MODEL_INITIAL_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mapped_file.h"
#include "datasets/manifest.h"
#include "datasets/target.h"
#include "ebb/v1/specification.pb.h"
#include "job/specification.h"
#include "server/job_rule.h"
#include "tools/ebb/model/initial_rows.h"
#include "tools/ebb/model/initial_tensors.h"

namespace ebb::tools {

// One vector of float32: the tensors in the order of the job's dense tables,
// and then slot after slot in the same order. Behind it are rows, if the file
// has some. A file is mapped, and no copy of the values is made. Immutable,
// thread-safe.
class InitialValues {
 public:
  // The differences that a file may have from what tables say.
  struct Differences {
    // Tensors that are made of others.
    std::vector<std::string> passed_over;
    // A table that begins with zeros if the file has no such tensor.
    std::string zeros_without;
    // Sparse tables, whose rows are passed over; has_rows() tells of them.
    std::vector<std::string> sparse_tables = {};
  };

  using States = std::vector<server::JobRule::TableState>;

  // Reads the safetensors file, once, and compares it with the tables.
  // InvalidArgument, each line of the message being a mistake: tensors and
  // tables are not the same, or have other shapes; or a value is not finite, or
  // of another type than float32. Or the errors of opening it.
  //
  // `states` is what servers keep of the tables, in their order. If the file
  // has the state of an optimizer, it must be exactly that. Null: it is passed
  // over, and has_state() tells of it. Averages of weights are a part of a
  // state, and passed over without one.
  //
  // `rows` are the sparse tables. Null: see Differences::sparse_tables.
  static absl::StatusOr<std::shared_ptr<const InitialValues>> Read(
      const std::string& path, const std::vector<job::DenseTable>& tables,
      const Differences& differences, const States* states = nullptr,
      const InitialRows::Tables* rows = nullptr);
  static absl::StatusOr<std::shared_ptr<const InitialValues>> Read(
      const std::string& path, const std::vector<job::DenseTable>& tables) {
    return Read(path, tables, {});
  }

  // Rows that lie elsewhere in memory.
  struct RowsElsewhere {
    InitialRows::Tables tables;
    InitialTensors tensors;             // By the names of an export.
    std::shared_ptr<const void> owner;  // It has their memory.
  };

  // The vector itself, which `called` made, and rows behind it if there are
  // some. InvalidArgument, each line of the message being a mistake: a value is
  // not finite, or the rows are not those of the tables.
  static absl::StatusOr<std::shared_ptr<const InitialValues>> Of(
      const std::string& called, std::vector<float> values,
      const std::vector<job::DenseTable>& tables,
      std::optional<RowsElsewhere> rows = std::nullopt);

  bool has_state() const { return has_state_; }
  bool has_rows() const { return has_rows_; }
  // True if the sparse table with this number begins with a row that was taken.
  bool HasRowsOf(size_t table) const {
    return rows_ != nullptr && rows_->HasRows(table);
  }
  const std::string& path() const { return path_; }

  // For the job's specification.
  v1::InitialValues ToProto() const;

  // Gives them to a scheduler, unless it has them, and blocks until they are
  // there. The errors of `target`; Aborted: the file has changed.
  absl::Status Push(datasets::Target* target) const;

 private:
  InitialValues() = default;

  // The next table's bytes, which this object has.
  void Add(absl::string_view table);
  // The slots: parts as long as the tables, in their order, or empty for zeros.
  void AddState(const std::vector<absl::string_view>& parts,
                const std::vector<job::DenseTable>& tables);
  // Behind all else.
  void AddRows();
  // Names what was added.
  absl::Status MakeManifest();
  // Bytes [first, first + size) of the vector.
  std::string Bytes(int64_t first, int64_t size) const;

  std::string path_;
  MappedFile file_;
  std::vector<float> own_;  // The file lacks these: mostly all or nothing.
  // It is as long as the largest table that has fewer slots than another.
  std::vector<float> zeros_;
  // The bytes of the tables, in one of the two, and where each begins in the
  // vector; those without bytes are left out.
  std::vector<absl::string_view> tables_;
  std::vector<int64_t> begins_;
  int64_t bytes_ = 0;
  bool has_state_ = false;
  int32_t slots_ = 0;
  // The steps as in the specification.
  std::vector<int64_t> steps_;
  size_t dense_tables_ = 0;
  bool has_rows_ = false;
  std::shared_ptr<const void> rows_owner_;   // Null: the file is.
  std::unique_ptr<const InitialRows> rows_;  // Null: none were taken.
  int64_t rows_begin_ = 0;                   // In the file that servers read.
  datasets::Manifest manifest_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_INITIAL_VALUES_H_
