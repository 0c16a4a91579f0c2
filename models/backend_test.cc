// Every back end must pass these tests.
#include "models/backend.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/reference_backend.h"
#include "models/testing/all_backends.h"
#include "models/testing/sums.h"

namespace ebb::models {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::IsNan;
using ::testing::Pointwise;

using Floats = std::vector<float>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// An array on the back end, from and to vectors.
class Array {
 public:
  Array(ComputeBackend* backend, const Floats& values)
      : backend_(backend), size_(values.size()), array_(backend) {
    data_ = array_.Reserve<float>(size_);
    if (size_ > 0) backend_->CopyIn(values.data(), 4 * size_, data_);
  }
  Array(ComputeBackend* backend, int64_t size)
      : Array(backend, Floats(size, kNan)) {}

  // NOLINTNEXTLINE(google-explicit-constructor): passed as a kernel's argument.
  operator float*() { return data_; }
  Floats Values() const {
    Floats values(size_);
    if (size_ > 0) backend_->CopyOut(data_, 4 * size_, values.data());
    return values;
  }

 private:
  ComputeBackend* backend_;
  int64_t size_;
  BackendArray array_;
  float* data_;
};

// A sparse matrix in ordinary memory, and its import.
struct Csr {
  CsrView View() const { return {offsets, columns, values}; }
  std::vector<int64_t> offsets;
  std::vector<int32_t> columns;
  Floats values;
};

class ImportedCsr {
 public:
  ImportedCsr(ComputeBackend* backend, const Csr& csr)
      : offsets_(backend), columns_(backend), values_(backend) {
    const CsrView view = csr.View();
    view_ = {offsets_.Import(view.row_offsets), columns_.Import(view.columns),
             values_.Import(view.values)};
  }
  // NOLINTNEXTLINE(google-explicit-constructor): passed as a kernel's argument.
  operator const CsrView&() const { return view_; }

 private:
  BackendArray offsets_, columns_, values_;
  CsrView view_;
};

class ImportedFields {
 public:
  ImportedFields(ComputeBackend* backend, const std::vector<uint16_t>& fields)
      : array_(backend),
        view_(array_.Import(std::span<const uint16_t>(fields))) {}
  // NOLINTNEXTLINE(google-explicit-constructor): passed as a kernel's argument.
  operator std::span<const uint16_t>() const { return view_; }

 private:
  BackendArray array_;
  std::span<const uint16_t> view_;
};

Floats Random(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Floats values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

// (rows, columns) with about a third of the elements set, some twice; row 1
// is empty.
Csr RandomCsr(int64_t rows, int64_t columns, uint32_t seed) {
  std::mt19937 generator(seed);
  Csr csr;
  csr.offsets.push_back(0);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t e = 0; r != 1 && e < (columns + 2) / 3; ++e) {
      csr.columns.push_back(static_cast<int32_t>(generator() % columns));
    }
    csr.offsets.push_back(csr.columns.size());
  }
  csr.values = Random(csr.columns.size(), seed + 1);
  return csr;
}

class BackendTest : public ::testing::TestWithParam<std::string> {
 protected:
  Array In(const Floats& values) { return Array(backend_.get(), values); }
  Array Out(int64_t size) { return Array(backend_.get(), size); }

  std::unique_ptr<ComputeBackend> backend_ = testing::MakeBackend(GetParam());
  std::unique_ptr<ComputeBackend> reference_ = MakeReferenceBackend();
};

TEST_P(BackendTest, MatMulMultipliesAndAddsTheBiasToEachRow) {
  Array a = In({1, 2, 3, 4, 5, 6});   // (2, 3)
  Array b = In({1, 0, 0, 1, 2, -1});  // (3, 2)
  Array bias = In({10, 20});
  Array c = Out(4);
  backend_->MatMul(2, 3, 2, a, b, bias, c);
  EXPECT_THAT(c.Values(), ElementsAre(17, 19, 26, 19));
  backend_->MatMul(2, 3, 2, a, b, nullptr, c);
  EXPECT_THAT(c.Values(), ElementsAre(7, -1, 16, -1));
}

TEST_P(BackendTest, MatMulActivateIsBothOneAfterTheOther) {
  Array a = In({1, 2, 3, 4, 5, 6});   // (2, 3)
  Array b = In({1, 0, 0, 1, 2, -1});  // (3, 2)
  Array bias = In({-18, 20});
  Array c = Out(4);
  backend_->MatMulActivate(Activation::kRelu, 2, 3, 2, a, b, bias, c);
  EXPECT_THAT(c.Values(), ElementsAre(0, 19, 0, 19));
  backend_->MatMulActivate(Activation::kRelu, 2, 3, 2, a, b, nullptr, c);
  EXPECT_THAT(c.Values(), ElementsAre(7, 0, 16, 0));
  EXPECT_TRUE(backend_->TakeError().ok());
}

// Results may be kept and used beside those of other batches.
TEST_P(BackendTest, RowsApartHaveTheSameBitsInEveryBatch) {
  if (!backend_->has_rows_apart()) return;
  constexpr int64_t kMost = 37;
  for (const int64_t k : {1, 7, 130}) {
    for (const int64_t n : {1, 3, 16, 17, 56, 100}) {
      SCOPED_TRACE(absl::StrCat("k=", k, " n=", n));
      const Floats values = Random(kMost * k, 1);
      Array b = In(Random(k * n, 2)), bias = In(Random(n, 3));
      const auto results = [&](int64_t first, int64_t m, Activation f) {
        Array a = In(Floats(values.begin() + first * k,
                            values.begin() + (first + m) * k));
        Array c = Out(m * n);
        backend_->MatMulRowsApart(m, k, n, a, b, bias, c);
        backend_->ActivateRowsApart(f, m, n, c);
        return c.Values();
      };
      for (const Activation f : {Activation::kIdentity, Activation::kRelu,
                                 Activation::kTanh, Activation::kSigmoid}) {
        Floats alone;
        for (int64_t row = 0; row < kMost; ++row) {
          const Floats one = results(row, 1, f);
          alone.insert(alone.end(), one.begin(), one.end());
        }
        for (const int64_t m : {2, 3, 4, 6, 8, 9, 16, 37}) {
          for (int64_t first = 0; first + m <= kMost; first += m) {
            ASSERT_EQ(results(first, m, f),
                      Floats(alone.begin() + first * n,
                             alone.begin() + (first + m) * n))
                << m << " rows from " << first;
          }
        }
        Array a = In(values), c = Out(kMost * n);
        backend_->MatMulActivate(f, kMost, k, n, a, b, bias, c);
        EXPECT_THAT(alone, Pointwise(FloatNear(1e-4f), c.Values()));
      }
    }
  }
}

// What comes in is there when it was awaited, and what was begun to leave has
// left when copies are finished, whatever the memory serves for then.
TEST_P(BackendTest, CopiesBesideComputingBringWhatWasThere) {
  Floats in = {1, 2, 3}, out(3, kNan), other = {7, 7, 7};
  const auto pin = backend_->PinHost(in.data(), 12);
  {
    BackendArray array(backend_.get());
    auto* const x = array.Reserve<float>(3);
    const CopyTicket ticket = backend_->BeginCopyIn(in.data(), 12, x);
    backend_->AwaitCopyIn(ticket);
    backend_->Scale(3, 2, x);
    backend_->BeginCopyOut(x, 12, out.data());
  }
  Array next = In(other);
  backend_->FinishCopies();
  EXPECT_THAT(out, ElementsAre(2, 4, 6));
  EXPECT_THAT(next.Values(), ElementsAre(7, 7, 7));
  backend_->FinishCopies();
  EXPECT_TRUE(backend_->TakeError().ok());
}

// Biases lie somewhere in a flat vector.
TEST_P(BackendTest, ABiasMayLieAnywhere) {
  Array a = In({1, 2, 3, 4, 5, 6});   // (2, 3)
  Array b = In({1, 0, 0, 1, 2, -1});  // (3, 2)
  Array biases = In({-18, 20, -18, 20, -18});
  Array c = Out(4);
  for (int at = 0; at < 3; ++at) {
    backend_->MatMulActivate(Activation::kIdentity, 2, 3, 2, a, b, biases + at,
                             c);
    EXPECT_THAT(c.Values(), at == 1 ? ElementsAre(27, -19, 36, -19)
                                    : ElementsAre(-11, 19, -2, 19))
        << at;
    backend_->MatMulActivate(Activation::kRelu, 2, 3, 2, a, b, biases + at, c);
    EXPECT_THAT(c.Values(),
                at == 1 ? ElementsAre(27, 0, 36, 0) : ElementsAre(0, 19, 0, 19))
        << at;
  }
}

TEST_P(BackendTest, MatMulTransAMultipliesTheTransposeOfA) {
  Array a = In({1, 2, 3, 4, 5, 6});  // (2, 3)
  Array b = In({1, -1, 0, 2});       // (2, 2)
  Array c = Out(6);
  backend_->MatMulTransA(2, 3, 2, a, b, c);
  EXPECT_THAT(c.Values(), ElementsAre(1, 7, 2, 8, 3, 9));
}

TEST_P(BackendTest, MatMulTransBMultipliesTheTransposeOfB) {
  Array a = In({1, 2, 3, 4});         // (2, 2)
  Array b = In({1, 0, 0, 1, 2, -1});  // (3, 2)
  Array c = Out(6);
  backend_->MatMulTransB(2, 2, 3, a, b, c);
  EXPECT_THAT(c.Values(), ElementsAre(1, 2, 0, 3, 4, 2));
}

TEST_P(BackendTest, SparseProductsSkipEmptyRowsAndAddRepeatedColumns) {
  // [0 3 0], [0 0 0], [1 0 4 + 1]
  const Csr csr = {{0, 1, 1, 4}, {1, 0, 2, 2}, {3, 1, 4, 1}};
  ImportedCsr a(backend_.get(), csr);
  Array b = In({1, 2, 3, 4, 5, 6});  // (3, 2)
  Array bias = In({0, 10});
  Array c = Out(6);
  backend_->SparseMatMul(3, 2, a, b, bias, c);
  EXPECT_THAT(c.Values(), ElementsAre(9, 22, 0, 10, 26, 42));
  backend_->SparseMatMul(3, 2, a, b, nullptr, c);
  EXPECT_THAT(c.Values(), ElementsAre(9, 12, 0, 0, 26, 32));
  backend_->SparseMatMulTransA(3, 3, 2, a, b, c);
  EXPECT_THAT(c.Values(), ElementsAre(5, 6, 3, 6, 25, 30));
}

TEST_P(BackendTest, SparseProductsTakeASliceOfALargerMatrix) {
  // The second row of [9 9], [0 2]: its offsets do not start at 0.
  const Csr csr = {{2, 3}, {0, 1, 1}, {9, 9, 2}};
  ImportedCsr a(backend_.get(), csr);
  Array b = In({5, 7});  // (2, 1)
  Array c = Out(1);
  backend_->SparseMatMul(1, 1, a, b, nullptr, c);
  EXPECT_THAT(c.Values(), ElementsAre(14));
}

TEST_P(BackendTest, ProductsAgreeWithTheReferenceAtOddSizes) {
  const int64_t kSizes[][3] = {
      {1, 1, 1},    {1, 5, 1},      {7, 1, 3},     {3, 17, 5},     {33, 31, 1},
      {1, 100, 10}, {16, 16, 16},   {65, 130, 47}, {128, 300, 10}, {5, 1000, 3},
      {50, 3, 129}, {257, 193, 49}, {9, 400, 97}};
  for (const auto& [m, k, n] : kSizes) {
    SCOPED_TRACE(::testing::Message() << m << " x " << k << " x " << n);
    const Floats a = Random(m * k, 1), b = Random(k * n, 2);
    const Floats d = Random(m * n, 3), bias = Random(n, 4);
    const Csr csr = RandomCsr(m, k, 5);
    ImportedCsr sparse(backend_.get(), csr);
    Array a_in = In(a), b_in = In(b), d_in = In(d), bias_in = In(bias);
    Array mn = Out(m * n), kn = Out(k * n), mk = Out(m * k);
    Floats mn_expected(m * n), kn_expected(k * n), mk_expected(m * k);
    // Each product of two numbers in [-1, 1] is rounded about once.
    const auto check = [&](Array& got, const Floats& expected, int64_t terms) {
      EXPECT_THAT(got.Values(),
                  Pointwise(FloatNear(1e-7f * (2 + terms)), expected));
    };
    backend_->MatMul(m, k, n, a_in, b_in, bias_in, mn);
    reference_->MatMul(m, k, n, a.data(), b.data(), bias.data(),
                       mn_expected.data());
    check(mn, mn_expected, k);
    backend_->MatMulTransA(m, k, n, a_in, d_in, kn);
    reference_->MatMulTransA(m, k, n, a.data(), d.data(), kn_expected.data());
    check(kn, kn_expected, m);
    backend_->MatMulTransB(m, n, k, d_in, b_in, mk);
    reference_->MatMulTransB(m, n, k, d.data(), b.data(), mk_expected.data());
    check(mk, mk_expected, n);
    backend_->SparseMatMul(m, n, sparse, b_in, bias_in, mn);
    reference_->SparseMatMul(m, n, csr.View(), b.data(), bias.data(),
                             mn_expected.data());
    check(mn, mn_expected, k);
    backend_->SparseMatMulTransA(m, k, n, sparse, d_in, kn);
    reference_->SparseMatMulTransA(m, k, n, csr.View(), d.data(),
                                   kn_expected.data());
    check(kn, kn_expected, m * k);
  }
}

// Rows {column 0 x 2, column 1 x 3}, {}, {column 1 x 1 twice}, of factors
// (1, 2) and (3, -1): <v0, v1> = 1, <v1, v1> = 10.
TEST_P(BackendTest, FactorScoresAddThePairsOfEntries) {
  const Csr csr = {{0, 2, 2, 4}, {0, 1, 1, 1}, {2, 3, 1, 1}};
  ImportedCsr a(backend_.get(), csr);
  Array b = In({1, 2, 3, -1}), sums = Out(6), scores = In({100, 10, 1});
  backend_->FactorScores(3, 2, a, b, sums, scores);
  EXPECT_THAT(sums.Values(), ElementsAre(11, 1, 0, 0, 6, -2));
  EXPECT_THAT(scores.Values(), ElementsAre(106, 10, 11));
  // By b: delta * x0 x1 times the other factor; of the pair of equals twice.
  Array delta = In({0.5f, 7, 1}), c = Out(4);
  backend_->FactorGradient(3, 2, 2, a, b, sums, delta, c);
  EXPECT_THAT(c.Values(), ElementsAre(9, -3, 3 + 6, 6 - 2));
}

// Of two fields and factors of one number: column 0 has (2, 3), column 1
// (5, 7).
TEST_P(BackendTest, FieldFactorScoresTakeTheFactorForTheOthersField) {
  // Row 0: column 0 in field 0 and column 1 in field 1, so 3 * 5; row 1: column
  // 0 twice in field 1, so 3 * 3.
  const Csr csr = {{0, 2, 4, 4}, {0, 1, 0, 0}, {2, 10, 1, -1}};
  const std::vector<uint16_t> fields = {0, 1, 1, 1};
  ImportedCsr a(backend_.get(), csr);
  ImportedFields f(backend_.get(), fields);
  Array b = In({2, 3, 5, 7}), scores = In({0, 1, 2});
  backend_->FieldFactorScores(3, 2, 1, a, f, b, scores);
  EXPECT_THAT(scores.Values(), ElementsAre(300, 1 - 9, 2));
  Array delta = In({1, 0.5f, 9}), c = Out(4);
  backend_->FieldFactorGradient(3, 2, 2, 1, a, f, b, delta, c);
  EXPECT_THAT(c.Values(), ElementsAre(0, 20 * 5 - 0.5f * 6, 20 * 3, 0));
}

TEST_P(BackendTest, FieldSumsKeepTheFieldsApart) {
  // Row 0: field 0 has 2 * b0 + b1, field 1 nothing, field 2 -b0; row 1 none.
  const Csr csr = {{0, 3, 3}, {0, 1, 0}, {2, 1, -1}};
  const std::vector<uint16_t> fields = {0, 0, 2};
  ImportedCsr a(backend_.get(), csr);
  ImportedFields f(backend_.get(), fields);
  Array b = In({1, 10, 3, 30}), c = Out(12);
  backend_->FieldSums(2, 3, 2, a, f, b, c);
  EXPECT_THAT(c.Values(), ElementsAre(5, 50, 0, 0, -1, -10, 0, 0, 0, 0, 0, 0));
  Array delta = In({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), gradient = Out(4);
  backend_->FieldSumsGradient(2, 2, 3, 2, a, f, delta, gradient);
  EXPECT_THAT(gradient.Values(), ElementsAre(2 - 5, 4 - 6, 1, 2));
}

TEST_P(BackendTest, KeyedOperationsAgreeWithTheReferenceAtOddSizes) {
  // Rows, columns, fields, numbers of a vector.
  const int64_t kSizes[][4] = {{1, 1, 1, 1},   {2, 3, 2, 1},   {7, 5, 3, 3},
                               {33, 40, 4, 8}, {20, 9, 5, 16}, {50, 30, 7, 17}};
  for (const auto& [m, k, f, n] : kSizes) {
    SCOPED_TRACE(::testing::Message()
                 << m << ", " << k << ", " << f << ", " << n);
    const Csr csr = RandomCsr(m, k, 5);
    std::vector<uint16_t> fields(csr.columns.size());
    for (size_t e = 0; e < fields.size(); ++e) fields[e] = (e * 7 / 3) % f;
    ImportedCsr a(backend_.get(), csr);
    ImportedFields fields_in(backend_.get(), fields);
    const Floats b = Random(k * n, 1), by_field = Random(k * f * n, 2);
    const Floats delta = Random(m, 3), wide = Random(m * f * n, 4);
    Array b_in = In(b), by_field_in = In(by_field), delta_in = In(delta);
    Array wide_in = In(wide);
    // Sums of some hundred products of numbers in [-1, 1].
    const auto check = [&](Array& got, const Floats& expected) {
      EXPECT_THAT(got.Values(), Pointwise(FloatNear(3e-5f), expected));
    };
    Array sums = Out(m * n), scores = In(delta), c = Out(k * n);
    Floats sums_expected(m * n), scores_expected = delta, c_expected(k * n);
    backend_->FactorScores(m, n, a, b_in, sums, scores);
    reference_->FactorScores(m, n, csr.View(), b.data(), sums_expected.data(),
                             scores_expected.data());
    check(sums, sums_expected);
    check(scores, scores_expected);
    backend_->FactorGradient(m, k, n, a, b_in, sums, delta_in, c);
    reference_->FactorGradient(m, k, n, csr.View(), b.data(),
                               sums_expected.data(), delta.data(),
                               c_expected.data());
    check(c, c_expected);
    Array field_scores = In(delta), field_c = Out(k * f * n);
    Floats field_scores_expected = delta, field_c_expected(k * f * n);
    backend_->FieldFactorScores(m, f, n, a, fields_in, by_field_in,
                                field_scores);
    reference_->FieldFactorScores(m, f, n, csr.View(), fields, by_field.data(),
                                  field_scores_expected.data());
    check(field_scores, field_scores_expected);
    backend_->FieldFactorGradient(m, k, f, n, a, fields_in, by_field_in,
                                  delta_in, field_c);
    reference_->FieldFactorGradient(m, k, f, n, csr.View(), fields,
                                    by_field.data(), delta.data(),
                                    field_c_expected.data());
    check(field_c, field_c_expected);
    Array inputs = Out(m * f * n);
    Floats inputs_expected(m * f * n);
    backend_->FieldSums(m, f, n, a, fields_in, b_in, inputs);
    reference_->FieldSums(m, f, n, csr.View(), fields, b.data(),
                          inputs_expected.data());
    check(inputs, inputs_expected);
    backend_->FieldSumsGradient(m, k, f, n, a, fields_in, wide_in, c);
    reference_->FieldSumsGradient(m, k, f, n, csr.View(), fields, wide.data(),
                                  c_expected.data());
    check(c, c_expected);
  }
}

TEST_P(BackendTest, AddScaledRowsHasANumberForEachRow) {
  Array scale = In({1, 0, 3}), x = In({1, 2, 3, 4, 5, 6});
  Array y = In(Floats(6, 100));
  backend_->AddScaledRows(3, 2, 0.5f, scale, x, y);
  EXPECT_THAT(y.Values(), ElementsAre(100.5f, 101, 100, 100, 107.5f, 109));
}

TEST_P(BackendTest, EmptyProductsAreTheBiasOrZero) {
  Array none = Out(0), b = In({1, 2}), bias = In({3, 4}), c = Out(4);
  backend_->MatMul(2, 0, 2, none, none, bias, c);
  EXPECT_THAT(c.Values(), ElementsAre(3, 4, 3, 4));
  Array d = Out(2);
  backend_->MatMulTransA(0, 2, 1, none, none, d);
  EXPECT_THAT(d.Values(), ElementsAre(0, 0));
  Array e = Out(2);
  backend_->ColumnSums(0, 2, none, e);
  EXPECT_THAT(e.Values(), ElementsAre(0, 0));
}

TEST_P(BackendTest, ColumnSumsAddsTheRows) {
  Array a = In({1, 2, 3, 10, 20, 30});
  Array sums = Out(3);
  backend_->ColumnSums(2, 3, a, sums);
  EXPECT_THAT(sums.Values(), ElementsAre(11, 22, 33));
}

// The functions at points known by heart, often enough to fill wide registers
// and leave a rest.
TEST_P(BackendTest, ActivateComputesEachFunction) {
  const Floats points = {-100, -2, -0.5f, 0, 0.5f, 2, 100};
  Floats inputs;
  for (int i = 0; i < 7; ++i) {
    inputs.insert(inputs.end(), points.begin(), points.end());
  }
  const std::tuple<Activation, Floats> kCases[] = {
      {Activation::kIdentity, points},
      {Activation::kRelu, {0, 0, 0, 0, 0.5f, 2, 100}},
      {Activation::kTanh,
       {-1, -0.9640276f, -0.4621172f, 0, 0.4621172f, 0.9640276f, 1}},
      {Activation::kSigmoid,
       {0, 0.1192029f, 0.3775407f, 0.5f, 0.6224593f, 0.8807971f, 1}}};
  for (const auto& [f, expected] : kCases) {
    Array x = In(inputs);
    backend_->Activate(f, inputs.size(), x);
    const Floats values = x.Values();
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(values[i], expected[i % 7], 3e-7)
          << "function " << static_cast<int>(f) << " of " << inputs[i];
    }
  }
}

TEST_P(BackendTest, ActivateBackwardMultipliesByTheDerivative) {
  // By outputs: relu 1 where y > 0; tanh 1 - y^2; sigmoid y (1 - y).
  const Floats outputs = {0, 0.25f, 0.5f, 1};
  const std::tuple<Activation, Floats> kCases[] = {
      {Activation::kIdentity, {2, 2, 2, 2}},
      {Activation::kRelu, {0, 2, 2, 2}},
      {Activation::kTanh, {2, 1.875f, 1.5f, 0}},
      {Activation::kSigmoid, {0, 0.375f, 0.5f, 0}}};
  for (const auto& [f, expected] : kCases) {
    Floats many_outputs, many_expected;
    for (int i = 0; i < 9; ++i) {
      many_outputs.insert(many_outputs.end(), outputs.begin(), outputs.end());
      many_expected.insert(many_expected.end(), expected.begin(),
                           expected.end());
    }
    Array y = In(many_outputs);
    Array gradient = In(Floats(many_outputs.size(), 2));
    backend_->ActivateBackward(f, many_outputs.size(), y, gradient);
    EXPECT_EQ(gradient.Values(), many_expected) << static_cast<int>(f);
  }
}

TEST_P(BackendTest, NansStayNansInLayers) {
  Array a = In({1, kNan, 1, 2}), b = In({1, 1, 1, 1});
  Array bias = In({0, 0}), nan_bias = In({kNan, 0}), c = Out(4);
  for (const Activation f : {Activation::kIdentity, Activation::kRelu,
                             Activation::kTanh, Activation::kSigmoid}) {
    backend_->MatMulActivate(f, 2, 2, 2, a, b, bias, c);
    EXPECT_THAT(Floats({c.Values()[0], c.Values()[1]}), Each(IsNan()));
    EXPECT_FALSE(std::isnan(c.Values()[2])) << static_cast<int>(f);
    backend_->MatMulActivate(f, 2, 2, 2, a, b, nan_bias, c);
    EXPECT_TRUE(std::isnan(c.Values()[2])) << static_cast<int>(f);
    EXPECT_FALSE(std::isnan(c.Values()[3])) << static_cast<int>(f);
  }
}

TEST_P(BackendTest, NansStayNans) {
  for (const Activation f : {Activation::kIdentity, Activation::kRelu,
                             Activation::kTanh, Activation::kSigmoid}) {
    Array x = In(Floats(37, kNan));
    backend_->Activate(f, 37, x);
    EXPECT_THAT(x.Values(), Each(IsNan())) << static_cast<int>(f);
    Array y = In(Floats(37, 0.5f));
    backend_->ActivateBackward(f, 37, y, x);
    EXPECT_THAT(x.Values(), Each(IsNan())) << static_cast<int>(f);
  }
  Array a = In({1, kNan, 0, 1}), b = In({0, 1, 0, 1}), c = Out(4);
  backend_->MatMul(2, 2, 2, a, b, nullptr, c);
  EXPECT_TRUE(std::isnan(c.Values()[0])) << "0 times NaN is NaN";
  EXPECT_TRUE(std::isnan(c.Values()[1]));
  Floats values(70, 1.0f);
  for (const size_t place : {size_t{0}, size_t{40}, size_t{69}}) {
    values[place] = kNan;
    Array x = In(values);
    EXPECT_TRUE(std::isnan(testing::SumOfSquares(backend_.get(), 70, x)))
        << place;
    values[place] = 1;
  }
}

TEST_P(BackendTest, ElementwiseOperationsComputeInPlace) {
  Array x = In({1, 2, 3}), y = In({10, 20, 30});
  backend_->AddScaled(3, 0.5f, x, y);
  EXPECT_THAT(y.Values(), ElementsAre(10.5f, 21, 31.5f));
  backend_->Scale(3, 2, y);
  EXPECT_THAT(y.Values(), ElementsAre(21, 42, 63));
  Array z = Out(3);
  backend_->Multiply(3, x, y, z);
  EXPECT_THAT(z.Values(), ElementsAre(21, 84, 189));
  backend_->Multiply(3, x, y, y);
  EXPECT_THAT(y.Values(), ElementsAre(21, 84, 189));
}

TEST_P(BackendTest, FindLeastTellsOnlyWhatSlackAllows) {
  if (!backend_->uses_host_memory()) return;  // It has no such operation.
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // 130 columns, so that tiles begin and end. Costs less products are, from the
  // first row on: 2, 1, infinite.
  constexpr int64_t kColumns = 130;
  Floats products(3 * kColumns);
  Floats slack(kColumns, 0.5F);
  slack[1] = slack[129] = 1;
  products[2] = kNan;             // The first of column 2.
  products[kColumns + 3] = kNan;  // The second of column 3.
  products[4] = 5;                // The first is the least of column 4.
  products[5] = products[kColumns + 5] = kNan;
  products[128] = 1;  // Both are the same.
  std::vector<int32_t> nearest(kColumns, 7);

  backend_->FindLeast(3, kColumns, Floats{2, 1, kInfinity}.data(),
                      products.data(), slack.data(), nearest.data());

  std::vector<int32_t> expected(kColumns, 1);
  expected[1] = expected[129] = expected[5] = expected[128] = -1;
  expected[3] = expected[4] = 0;
  EXPECT_EQ(nearest, expected);
}

// Whole numbers, of which all sums are exact.
Floats WholeNumbers(int64_t count, uint64_t seed) {
  Floats numbers(count);
  for (int64_t i = 0; i < count; ++i) {
    numbers[i] =
        static_cast<float>(HashAppend(seed, static_cast<uint64_t>(i)) % 7) - 3;
  }
  return numbers;
}

TEST_P(BackendTest, FindNearestFindsTheNearestOrThatSeveralAre) {
  if (!backend_->uses_host_memory()) return;  // It has no such operation.
  constexpr int64_t kRows = 37;               // The last tile is not whole.
  for (const int64_t d : {1, 3, 6, 32, 63, 64}) {
    for (const int64_t m : {1, 2, 9, 10, 11, 23, 64}) {
      SCOPED_TRACE(absl::StrCat(m, " of ", d));
      const Floats centroids = WholeNumbers(m * d, 1);
      const Floats examples = WholeNumbers(kRows * d, 2);
      Floats costs(m);
      for (int64_t k = 0; k < m; ++k) {
        for (int64_t f = 0; f < d; ++f) {
          costs[k] += centroids[k * d + f] * centroids[k * d + f] / 2;
        }
      }
      std::vector<int32_t> expected, nearest(kRows, 7);
      for (int64_t row = 0; row < kRows; ++row) {
        Floats of_clusters = costs;
        for (int64_t k = 0; k < m; ++k) {
          for (int64_t f = 0; f < d; ++f) {
            of_clusters[k] -= centroids[k * d + f] * examples[row * d + f];
          }
        }
        const auto least = std::ranges::min_element(of_clusters);
        const bool alone = std::ranges::count(of_clusters, *least) == 1;
        expected.push_back(
            alone ? static_cast<int32_t>(least - of_clusters.begin()) : -1);
      }
      backend_->FindNearest(m, d, kRows, centroids.data(), costs.data(),
                            examples.data(), 0, 0, nearest.data());
      EXPECT_EQ(nearest, expected);
    }
  }
}

TEST_P(BackendTest, FindNearestTellsOnlyWhatRoundingAllows) {
  if (!backend_->uses_host_memory()) return;  // It has no such operation.
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // The costs are 0, 2 - 2 x, and infinite. Examples: 0, 2, 1 and no number.
  const Floats costs = {0, 2, kInfinity};
  const Floats centroids = {0, 2, 0};
  const Floats examples = {0, 2, 1, kNan};
  std::vector<int32_t> nearest(4, 7);
  backend_->FindNearest(3, 1, 4, centroids.data(), costs.data(),
                        examples.data(), 0.1F, 2, nearest.data());
  EXPECT_THAT(nearest, ElementsAre(0, 1, -1, -1));
  // Both differ by 2: 0.16 (0 + 12) is less than that, and 0.16 (4 + 12) more.
  backend_->FindNearest(3, 1, 2, centroids.data(), costs.data(),
                        examples.data(), 0.16F, 2, nearest.data());
  EXPECT_EQ(nearest[0], 0);
  EXPECT_EQ(nearest[1], -1);
}

TEST_P(BackendTest, DifferencesHaveTheSameBitsEverywhere) {
  if (!backend_->uses_host_memory()) return;  // It has no such operation.
  constexpr int64_t kRows = 9, kClusters = 3;
  for (const int64_t d : {1, 3, 4, 7, 16, 21, 32, 50}) {
    SCOPED_TRACE(d);
    const auto fraction = [](Floats numbers) {
      for (float& x : numbers) x /= 7;
      return numbers;
    };
    const Floats examples = fraction(WholeNumbers(kRows * d, 3));
    const Floats centroids = fraction(WholeNumbers(kClusters * d, 4));
    const std::vector<int32_t> nearest = {0, 2, 2, 1, 0, 0, 2, 1, 2};
    Floats expected(kClusters * d, 0.1F), sums = expected;
    double squares_expected = 0.5, squares = 0.5;
    for (int64_t row = 0; row < kRows; ++row) {
      // Four sums side by side, and what is left with the first.
      float lanes[4] = {};
      for (int64_t f = 0; f < d; ++f) {
        const int64_t at = nearest[row] * d + f;
        const float difference = examples[row * d + f] - centroids[at];
        expected[at] += difference;
        const float square = difference * difference;
        lanes[f < d / 4 * 4 ? f % 4 : 0] += square;
      }
      squares_expected += (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    }
    backend_->AddDifferences(kRows, d, examples.data(), nearest.data(),
                             centroids.data(), sums.data(), &squares);
    EXPECT_EQ(sums, expected);
    EXPECT_EQ(squares, squares_expected);
  }
}

TEST_P(BackendTest, SumOfSquaresIsExactBeyondTheRangeOfFloats) {
  Array x = In(Floats(100, 3e38f));
  const double each = double{3e38f} * double{3e38f};
  EXPECT_DOUBLE_EQ(testing::SumOfSquares(backend_.get(), 100, x), 100 * each);
  Array y = In({std::numeric_limits<float>::infinity()});
  EXPECT_TRUE(std::isinf(testing::SumOfSquares(backend_.get(), 1, y)));
  EXPECT_EQ(testing::SumOfSquares(backend_.get(), 0, x), 0);
}

TEST_P(BackendTest, OnlyMeansThatAreTooLongAreClipped) {
  const auto clip = [&](Floats values, double most) {
    Array x = In(values);
    BackendArray squares(backend_.get());
    auto* const at = squares.Reserve<double>(1);
    const auto count = static_cast<int64_t>(values.size());
    backend_->SumOfSquares(count, x, at);
    backend_->ClipMean(2, most, at, count, x);
    return x.Values();
  };
  // The mean over two is (3, 4), of norm 5.
  EXPECT_THAT(clip({6, 8}, 5), ElementsAre(6, 8));
  EXPECT_THAT(clip({6, 8}, 2.5), ElementsAre(3, 4));
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(clip({6, infinity}, 1), ElementsAre(6, infinity));
  EXPECT_THAT(clip({kNan, 8}, 1), ElementsAre(IsNan(), 8));
}

// One batch after the other, of which each has masks of its own.
TEST_P(BackendTest, DropoutMasksFollowTheBatch) {
  Floats expected(15);
  for (int64_t step = 0; step < 6; ++step) {
    for (int32_t layer = 0; layer < 3; ++layer) {
      const DropoutKey key = {1, 2, static_cast<int32_t>(step / 4), step * 10,
                              layer};
      reference_->DropoutMask(key, 0.25f, 3, 5, expected.data());
      Array mask = Out(15);
      backend_->DropoutMask(key, 0.25f, 3, 5, mask);
      EXPECT_EQ(mask.Values(), expected) << step << " " << layer;
    }
  }
}

// FillDropoutMask is tested by itself; here, that it is what is used.
TEST_P(BackendTest, DropoutMaskIsTheSpecifiedFunction) {
  const DropoutKey key = {1, 2, 3, 4, 1};
  Floats expected(15);
  reference_->DropoutMask(key, 0.25f, 3, 5, expected.data());
  Array mask = Out(15);
  backend_->DropoutMask(key, 0.25f, 3, 5, mask);
  EXPECT_EQ(mask.Values(), expected);
}

TEST_P(BackendTest, SquaredLossIsHalfTheSquareOfTheError) {
  Array labels = In({1, -2}), scores = In({4, -2.5f}), gradient = Out(2);
  const LossSums sums = testing::ComputeLoss(backend_.get(), Loss::kSquared, 2,
                                             1, labels, scores, gradient);
  EXPECT_DOUBLE_EQ(sums.loss, 4.5 + 0.125);
  EXPECT_EQ(sums.correct, 0);
  EXPECT_THAT(gradient.Values(), ElementsAre(3, -0.5f));
  backend_->ScoresToOutputs(Loss::kSquared, 2, 1, scores);
  EXPECT_THAT(scores.Values(), ElementsAre(4, -2.5f));
}

// log(1 + exp(-2)) = 0.1269280, sigmoid(2) = 0.8807971; labels are 0/1 or
// -1/+1.
TEST_P(BackendTest, LogisticLossTakesBothKindsOfLabels) {
  Array labels = In({1, 0, -1, 1}), scores = In({2, 2, 2, -2});
  Array gradient = Out(4);
  const LossSums sums = testing::ComputeLoss(backend_.get(), Loss::kLogistic, 4,
                                             1, labels, scores, gradient);
  EXPECT_NEAR(sums.loss, 0.1269280 + 3 * 2.1269280, 1e-6);
  EXPECT_EQ(sums.correct, 1);
  EXPECT_THAT(gradient.Values(),
              Pointwise(FloatNear(1e-6f), Floats{-0.1192029f, 0.8807971f,
                                                 0.8807971f, -0.8807971f}));
  backend_->ScoresToOutputs(Loss::kLogistic, 4, 1, scores);
  EXPECT_THAT(scores.Values(),
              Pointwise(FloatNear(1e-6f), Floats{0.8807971f, 0.8807971f,
                                                 0.8807971f, 0.1192029f}));
}

TEST_P(BackendTest, LogisticLossDoesNotOverflow) {
  Array labels = In({1, 0}), scores = In({-300, 300}), gradient = Out(2);
  const LossSums sums = testing::ComputeLoss(backend_.get(), Loss::kLogistic, 2,
                                             1, labels, scores, gradient);
  EXPECT_NEAR(sums.loss, 600, 1e-4);
  EXPECT_THAT(gradient.Values(), ElementsAre(-1, 1));
}

// exp of (0, log 2, log 5) is (1, 2, 5) of 8.
TEST_P(BackendTest, SoftmaxLossIsTheLogarithmOfTheProbability) {
  const float log2 = std::log(2.0f), log5 = std::log(5.0f);
  Array labels = In({2, 0}), scores = In({0, log2, log5, 0, log2, log5});
  Array gradient = Out(6);
  const LossSums sums = testing::ComputeLoss(backend_.get(), Loss::kSoftmax, 2,
                                             3, labels, scores, gradient);
  EXPECT_NEAR(sums.loss, std::log(8.0 / 5) + std::log(8.0), 1e-6);
  EXPECT_EQ(sums.correct, 1);
  EXPECT_THAT(gradient.Values(),
              Pointwise(FloatNear(1e-6f), Floats{0.125f, 0.25f, -0.375f,
                                                 -0.875f, 0.25f, 0.625f}));
  const LossSums again = testing::ComputeLoss(backend_.get(), Loss::kSoftmax, 2,
                                              3, labels, scores, nullptr);
  EXPECT_EQ(again.loss, sums.loss);
  EXPECT_EQ(again.correct, sums.correct);
  testing::ComputeLoss(backend_.get(), Loss::kSoftmax, 2, 3, labels, scores,
                       scores);
  EXPECT_EQ(scores.Values(), gradient.Values()) << "in place";
}

TEST_P(BackendTest, SoftmaxDoesNotOverflowAndKeepsNans) {
  Array labels = In({0, 1}), scores = In({1000, -1000, 1, kNan});
  Array gradient = Out(4);
  const LossSums sums = testing::ComputeLoss(backend_.get(), Loss::kSoftmax, 2,
                                             2, labels, scores, gradient);
  EXPECT_TRUE(std::isnan(sums.loss));
  const Floats values = gradient.Values();
  EXPECT_EQ(values[0], 0);
  EXPECT_EQ(values[1], 0);
  EXPECT_TRUE(std::isnan(values[2]));
  EXPECT_TRUE(std::isnan(values[3]));
}

TEST_P(BackendTest, ScoresToOutputsGivesProbabilities) {
  Array scores = In({0, std::log(3.0f), 5, 5});
  backend_->ScoresToOutputs(Loss::kSoftmax, 2, 2, scores);
  EXPECT_THAT(scores.Values(),
              Pointwise(FloatNear(1e-6f), Floats{0.25f, 0.75f, 0.5f, 0.5f}));
}

INSTANTIATE_TEST_SUITE_P(All, BackendTest,
                         ::testing::ValuesIn(testing::AllBackendNames()),
                         [](const auto& info) {
                           return testing::TestName(info.param);
                         });

}  // namespace
}  // namespace ebb::models
