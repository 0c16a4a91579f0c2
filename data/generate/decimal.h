// Numbers in text with four decimals. Drawn numbers are rounded to them before
// they are used, so that a file holds exactly the numbers of which its labels
// were made.
#ifndef EBB_DATA_GENERATE_DECIMAL_H_
#define EBB_DATA_GENERATE_DECIMAL_H_

#include <array>
#include <cmath>
#include <cstdint>
#include <string>

namespace ebb::data::generate {

// The number of four decimals next to `x`: what a reader of its text gets.
inline double ToDecimal(double x) { return std::floor(x * 1e4 + 0.5) / 1e4; }

inline void AppendInteger(int64_t number, std::string* out) {
  std::array<char, 20> digits;
  size_t at = digits.size();
  uint64_t rest = number < 0 ? -static_cast<uint64_t>(number)
                             : static_cast<uint64_t>(number);
  do {
    digits[--at] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest > 0);
  if (number < 0) out->push_back('-');
  out->append(&digits[at], digits.size() - at);
}

// Appends a result of ToDecimal, below 1e14; without zeros at its end.
inline void AppendDecimal(double x, std::string* out) {
  auto units = static_cast<int64_t>(std::floor(std::fabs(x) * 1e4 + 0.5));
  if (x < 0 && units > 0) out->push_back('-');
  AppendInteger(units / 10000, out);
  units %= 10000;
  if (units > 0) out->push_back('.');
  for (int64_t place = 1000; units > 0; place /= 10) {
    out->push_back(static_cast<char>('0' + units / place));
    units %= place;
  }
}

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_DECIMAL_H_
