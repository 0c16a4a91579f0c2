#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "models/eigen_backend.h"

namespace ebb::models {
namespace {

// Bug: the room to pack a part was that of the largest one, but a smaller part
// may need more. So parts wrote into each other's room.
TEST(EigenThreadsTest, ProductsAreThoseOfOneThread) {
  constexpr int64_t kRows = 16, kTerms = 256, kMostColumns = 3 * 4096;
  auto one = MakeEigenBackend("auto");
  auto three = MakeEigenBackend("auto", /*threads=*/3, /*least_work=*/1);
  ASSERT_TRUE(one.ok() && three.ok());
  std::vector<float> a(kRows * kTerms), b(kTerms * kMostColumns);
  for (size_t i = 0; i < a.size(); ++i) a[i] = std::sin(i);
  for (size_t i = 0; i < b.size(); ++i) b[i] = std::cos(i);
  std::vector<float> expected(kRows * kMostColumns), c(expected.size());
  for (int64_t columns = 48; columns <= kMostColumns; columns += 80) {
    (*one)->MatMul(kRows, kTerms, columns, a.data(), b.data(), nullptr,
                   expected.data());
    (*three)->MatMul(kRows, kTerms, columns, a.data(), b.data(), nullptr,
                     c.data());
    float most = 0;
    for (int64_t i = 0; i < kRows * columns; ++i) {
      most = std::max(most, std::abs(c[i] - expected[i]));
    }
    EXPECT_LT(most, 1e-3) << columns;
  }
}

TEST(EigenThreadsTest, RowsApartHaveTheBitsOfOneThread) {
  constexpr int64_t kRows = 70, kTerms = 256;
  auto one = MakeEigenBackend("auto");
  auto three = MakeEigenBackend("auto", /*threads=*/3, /*least_work=*/1);
  ASSERT_TRUE(one.ok() && three.ok());
  for (const int64_t columns : {1, 56, 256}) {
    std::vector<float> a(kRows * kTerms), b(kTerms * columns);
    for (size_t i = 0; i < a.size(); ++i) a[i] = std::sin(i);
    for (size_t i = 0; i < b.size(); ++i) b[i] = std::cos(i);
    std::vector<float> expected(kRows * columns), c(expected.size());
    (*one)->MatMulRowsApart(kRows, kTerms, columns, a.data(), b.data(), nullptr,
                            expected.data());
    (*three)->MatMulRowsApart(kRows, kTerms, columns, a.data(), b.data(),
                              nullptr, c.data());
    EXPECT_EQ(c, expected) << columns;
  }
}

}  // namespace
}  // namespace ebb::models
