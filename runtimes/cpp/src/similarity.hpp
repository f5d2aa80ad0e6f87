// Products of embeddings, summed in float64.
#pragma once

#include <cstdint>
#include <vector>

namespace groupvit::detail {

// float64 [rows_a, rows_b]: dot products of the rows of `a` [rows_a, width] and `b` [rows_b, width].
//
// Products of two floats are exact in float64, and what the order of the additions changes is a few 2^-53 of
// the sum. NumPy's order is its BLAS library's own. So the two runtimes agree after rounding to float32 but
// where a sum lies that close to the middle between two floats: of 27 million products of unit vectors of
// 256, 3 differed, by one unit in the last place each, which changes a label only where two classes tie to
// that unit.
std::vector<double> dot_products(const float* a, std::int64_t rows_a, const float* b, std::int64_t rows_b,
                                 std::int64_t width);

}  // namespace groupvit::detail
