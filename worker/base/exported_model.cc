#include "worker/base/exported_model.h"

#include <glog/logging.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::worker {

std::string KeysName(absl::string_view table) {
  return absl::StrCat(table, "/keys");
}
std::string RowsName(absl::string_view table) {
  return absl::StrCat(table, "/rows");
}
std::string LengthsName(absl::string_view table) {
  return absl::StrCat(table, "/lengths");
}

absl::StatusOr<StoredRows> StoredRows::Create(job::SparseTable table,
                                              uint64_t seed,
                                              absl::string_view keys,
                                              absl::string_view values) {
  StoredRows rows(table, seed);
  rows.keys_ = keys;
  rows.values_ = values;
  CHECK_EQ(values.size(), rows.rows() * table.width * sizeof(float));
  for (int64_t row = 1; row < rows.rows(); ++row) {
    if (rows.KeyAt(row) <= rows.KeyAt(row - 1)) {
      return absl::DataLossError(
          absl::StrCat("the keys of table ", table.name, " do not ascend: ",
                       rows.KeyAt(row - 1), " and then ", rows.KeyAt(row)));
    }
  }
  return rows;
}

uint64_t StoredRows::KeyAt(int64_t row) const {
  uint64_t key;
  std::memcpy(&key, keys_.data() + row * sizeof(key), sizeof(key));
  return key;
}

bool StoredRows::Get(uint64_t key, std::span<float> out) const {
  int64_t first = 0;
  for (int64_t last = rows(); first < last;) {
    const int64_t middle = first + (last - first) / 2;
    if (KeyAt(middle) < key) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  if (first == rows() || KeyAt(first) != key) {
    initial_.Fill(key, out);
    return false;
  }
  std::memcpy(out.data(), values_.data() + first * out.size_bytes(),
              out.size_bytes());
  return true;
}

}  // namespace ebb::worker
