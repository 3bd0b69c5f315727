// The sampling points of one query and head: where they lie, their weights, and the way back.
#pragma once

#include <limits>

#include "problem.h"
#include "scalar.h"

namespace msda {

constexpr int kPointArrays = 26;  // Real arrays in Points
// Arrays are padded to whole blocks: a loop over a block has a constant length, which the compiler
// turns into vector instructions without a remainder, whatever the number of points.
constexpr int kBlock = 16;

MSDA_INLINE int64_t padded(int64_t n) { return (n + kBlock - 1) / kBlock * kBlock; }

MSDA_INLINE void prefetch(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

template <typename T>
MSDA_INLINE void prefetch_range(const T* from, int64_t count) {
  const char* end = reinterpret_cast<const char*>(from + count);
  for (const char* line = reinterpret_cast<const char*>(from); line < end; line += 64)
    prefetch(line);
}

template <typename T, typename Real>
MSDA_INLINE void load_block(const T* __restrict__ from, int64_t count, Real* __restrict__ to) {
  int64_t i = 0;
  for (; i + kBlock <= count; i += kBlock)
    for (int k = 0; k < kBlock; ++k) to[i + k] = load(from[i + k]);
  for (; i < count; ++i) to[i] = load(from[i]);
}

template <typename T, typename Real>
MSDA_INLINE void store_block(const Real* __restrict__ from, int64_t count, T* __restrict__ to) {
  int64_t i = 0;
  for (; i + kBlock <= count; i += kBlock)
    for (int k = 0; k < kBlock; ++k) store(to[i + k], from[i + k]);
  for (; i < count; ++i) store(to[i], from[i]);
}

// One entry a point (level-major) in every array; all live in the workspace of a thread.
template <typename Real>
struct Points {
  int64_t count;
  // Constant for the call.
  Real *width, *height;
  int32_t *columns, *start;
  // Constant for a query: pixel = base + scale * raw.
  Real *base_x, *base_y, *scale_x, *scale_y;
  // Of a query and head.
  Real *pairs;  // x, y as read; on the way back their gradients
  Real *weight;
  Real *left, *right, *top, *bottom;              // bilinear, 0 where the corner is outside
  Real *in_left, *in_right, *in_top, *in_bottom;  // 1 where that column or row exists
  int32_t* corner[4];  // tokens: top left, top right, bottom left, bottom right
  int32_t* inside;     // the point touches the level at all
  Real* factor[4];     // weight * bilinear factor of each corner
  Real* dot[4];        // value of each corner . gradient of the output

  static int64_t bytes(int64_t count) {
    return padded(count) * (kPointArrays * sizeof(Real) + 7 * sizeof(int32_t));
  }

  Points(const MsdaProblem& problem, char* memory)
      : count(problem.levels * problem.points_per_level) {
    const int64_t n = padded(count);
    std::memset(memory, 0, bytes(count));  // padding must be finite
    Real* reals = reinterpret_cast<Real*>(memory);
    for (Real** array : {&width,     &height,    &base_x,    &base_y,    &scale_x,   &scale_y,
                         &weight,    &left,      &right,     &top,       &bottom,    &in_left,
                         &in_right,  &in_top,    &in_bottom, &dot[0],    &dot[1],    &dot[2],
                         &dot[3],    &factor[0], &factor[1], &factor[2], &factor[3], &pairs}) {
      *array = reals;
      reals += n;
    }
    int32_t* integers = reinterpret_cast<int32_t*>(memory + n * kPointArrays * sizeof(Real));
    for (int32_t** array : {&columns, &start, &corner[0], &corner[1], &corner[2],
                            &corner[3], &inside}) {
      *array = integers;
      integers += n;
    }
    int64_t first = 0;
    for (int64_t level = 0, i = 0; level < problem.levels; ++level) {
      const int64_t h = problem.shapes[2 * level], w = problem.shapes[2 * level + 1];
      for (int64_t p = 0; p < problem.points_per_level; ++p, ++i) {
        width[i] = static_cast<Real>(w), height[i] = static_cast<Real>(h);
        columns[i] = static_cast<int32_t>(w);
        start[i] = static_cast<int32_t>(first);
        base_x[i] = base_y[i] = Real(-0.5);
        scale_x[i] = width[i], scale_y[i] = height[i];
      }
      first += h * w;
    }
  }
};

// pixel = base + scale * offset for the offsets of this query. `reference` is (L, 2|4).
template <typename Real>
MSDA_INLINE void place_reference(const MsdaProblem& problem, const Real* reference,
                                 Points<Real>& points) {
  const int64_t size = problem.reference_size, per_level = problem.points_per_level;
  for (int64_t level = 0, i = 0; level < problem.levels; ++level) {
    const Real* anchor = reference + level * size;
    for (int64_t p = 0; p < per_level; ++p, ++i) {
      points.base_x[i] = anchor[0] * points.width[i] - Real(0.5);
      points.base_y[i] = anchor[1] * points.height[i] - Real(0.5);
      const Real half_x = points.width[i] * Real(0.5), half_y = points.height[i] * Real(0.5);
      points.scale_x[i] = size == 2 ? Real(1) : anchor[2] * half_x / per_level;
      points.scale_y[i] = size == 2 ? Real(1) : anchor[3] * half_y / per_level;
    }
  }
}

// The padding after `count` may be written; it gets the weight 0.
template <typename Real>
MSDA_INLINE void softmax(int64_t count, Real* __restrict__ weight) {
  for (int64_t i = count; i < padded(count); ++i)
    weight[i] = -std::numeric_limits<Real>::infinity();
  Real largest = weight[0], sum = 0;
  for (int64_t block = 0; block < count; block += kBlock)
#pragma omp simd reduction(max : largest)
    for (int64_t i = block; i < block + kBlock; ++i)
      largest = weight[i] > largest ? weight[i] : largest;
  for (int64_t block = 0; block < count; block += kBlock)
#pragma omp simd reduction(+ : sum)
    for (int64_t i = block; i < block + kBlock; ++i) {
      weight[i] = exponential(weight[i] - largest);
      sum += weight[i];
    }
  const Real scale = 1 / sum;
  for (int64_t block = 0; block < count; block += kBlock)
#pragma omp simd
    for (int64_t i = block; i < block + kBlock; ++i) weight[i] *= scale;
}

// Reads the points of one query and head and finds their corners.
template <typename Raw, typename Real>
MSDA_INLINE void locate(bool fused, const Raw* raw, const Raw* scores, Points<Real>& points) {
  load_block(raw, 2 * points.count, points.pairs);
  load_block(scores, points.count, points.weight);
  if (fused) softmax(points.count, points.weight);
  const Real* __restrict__ pairs = points.pairs;
  const Real *__restrict__ base_x = points.base_x, *__restrict__ base_y = points.base_y;
  const Real *__restrict__ scale_x = points.scale_x, *__restrict__ scale_y = points.scale_y;
  const Real *__restrict__ width = points.width, *__restrict__ height = points.height;
  const int32_t *__restrict__ columns = points.columns, *__restrict__ start = points.start;
  Real *__restrict__ left = points.left, *__restrict__ right = points.right;
  Real *__restrict__ top = points.top, *__restrict__ bottom = points.bottom;
  Real *__restrict__ in_left = points.in_left, *__restrict__ in_right = points.in_right;
  Real *__restrict__ in_top = points.in_top, *__restrict__ in_bottom = points.in_bottom;
  int32_t *__restrict__ corner0 = points.corner[0], *__restrict__ corner1 = points.corner[1];
  int32_t *__restrict__ corner2 = points.corner[2], *__restrict__ corner3 = points.corner[3];
  int32_t* __restrict__ inside = points.inside;
  Real *__restrict__ factor0 = points.factor[0], *__restrict__ factor1 = points.factor[1];
  Real *__restrict__ factor2 = points.factor[2], *__restrict__ factor3 = points.factor[3];
  const Real* __restrict__ weight = points.weight;
  for (int64_t block = 0; block < points.count; block += kBlock)
#pragma omp simd
    for (int64_t i = block; i < block + kBlock; ++i) {
      const Real x = base_x[i] + scale_x[i] * pairs[2 * i];
      const Real y = base_y[i] + scale_y[i] * pairs[2 * i + 1];
      // 0 for NaN. Only after this is the conversion to an integer defined.
      const int32_t is_inside = (x > -1) & (x < width[i]) & (y > -1) & (y < height[i]);
      const Real safe_x = is_inside ? x : Real(0), safe_y = is_inside ? y : Real(0);
      const Real x0 = std::floor(safe_x), y0 = std::floor(safe_y);
      const Real has_left = x0 >= 0 ? Real(1) : Real(0), has_top = y0 >= 0 ? Real(1) : Real(0);
      const Real has_right = x0 + 1 < width[i] ? Real(1) : Real(0);
      const Real has_bottom = y0 + 1 < height[i] ? Real(1) : Real(0);
      // A corner outside is replaced by its neighbour inside, with factor 0.
      const int32_t column0 = static_cast<int32_t>(x0 >= 0 ? x0 : Real(0));
      const int32_t column1 = static_cast<int32_t>(x0 + has_right);
      const int32_t row0 = static_cast<int32_t>(y0 >= 0 ? y0 : Real(0)) * columns[i] + start[i];
      const int32_t row1 = static_cast<int32_t>(y0 + has_bottom) * columns[i] + start[i];
      corner0[i] = row0 + column0, corner1[i] = row0 + column1;
      corner2[i] = row1 + column0, corner3[i] = row1 + column1;
      left[i] = has_left * (1 - (safe_x - x0)), right[i] = has_right * (safe_x - x0);
      top[i] = has_top * (1 - (safe_y - y0)), bottom[i] = has_bottom * (safe_y - y0);
      in_left[i] = has_left, in_right[i] = has_right;
      in_top[i] = has_top, in_bottom[i] = has_bottom;
      inside[i] = is_inside;
      const Real upper = weight[i] * top[i], lower = weight[i] * bottom[i];
      factor0[i] = upper * left[i], factor1[i] = upper * right[i];
      factor2[i] = lower * left[i], factor3[i] = lower * right[i];
    }
}

}  // namespace msda
