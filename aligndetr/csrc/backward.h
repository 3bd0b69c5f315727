// Gradients of value, points, scores and reference. One unit of work is one head of one image,
// which owns its part of every gradient: no races, and sums are always made in the same order.
#pragma once

#include "points.h"

namespace msda {

// Tokens and queries to fetch ahead: rows of one head are too far apart for the hardware to guess.
constexpr int64_t kTokensAhead = 16, kQueriesAhead = 2;

// The thread's table: for every token the value row, then the row of its gradient.
template <typename Real>
int64_t table_bytes(const MsdaProblem& problem) {
  return padded(2 * problem.tokens * problem.channels) * static_cast<int64_t>(sizeof(Real));
}

// Adds factor * gradient to the gradient of one corner; returns gradient . value of that corner.
template <int width, typename Real>
MSDA_INLINE Real scatter_corner(const Real* __restrict__ gradient, Real* __restrict__ row,
                                int64_t channels, Real factor) {
  Real dot = 0;
  Real* __restrict__ grad_row = row + channels;
#pragma omp simd reduction(+ : dot)
  for (int k = 0; k < width; ++k) dot += gradient[k] * row[k];
#pragma omp simd
  for (int k = 0; k < width; ++k) grad_row[k] += factor * gradient[k];
  return dot;
}

// `width` channels: adds to the value gradient and to the four dot products of every point.
template <int width, typename T, typename Real>
MSDA_INLINE void scatter(const T* grad_out, Real* table, int64_t channels,
                         const Points<Real>& points) {
  Real gradient[width];
  for (int k = 0; k < width; ++k) gradient[k] = load(grad_out[k]);
  const int64_t stride = 2 * channels;
  const auto corner = [&](int c, int64_t i) {
    points.dot[c][i] += scatter_corner<width>(gradient, table + points.corner[c][i] * stride,
                                              channels, points.factor[c][i]);
  };
  for (int64_t i = 0; i < points.count; ++i) {
    if (!points.inside[i]) continue;
    corner(0, i), corner(1, i), corner(2, i), corner(3, i);
  }
}

// From the dot products to the gradients of the points and scores of one query and head. Leaves in
// dot[0], dot[1] the gradients of the pixel coordinates.
template <typename Raw, typename Real>
MSDA_INLINE void point_gradients(bool fused, const Points<Real>& points, Raw* grad_points,
                                 Raw* grad_scores) {
  const int64_t count = points.count;
  Real *__restrict__ d0 = points.dot[0], *__restrict__ d1 = points.dot[1];
  Real *__restrict__ d2 = points.dot[2], *__restrict__ d3 = points.dot[3];
  const Real *__restrict__ left = points.left, *__restrict__ right = points.right;
  const Real *__restrict__ top = points.top, *__restrict__ bottom = points.bottom;
  const Real *__restrict__ in_left = points.in_left, *__restrict__ in_right = points.in_right;
  const Real *__restrict__ in_top = points.in_top, *__restrict__ in_bottom = points.in_bottom;
  const Real *__restrict__ scale_x = points.scale_x, *__restrict__ scale_y = points.scale_y;
  const Real* __restrict__ weight = points.weight;
  const int32_t* __restrict__ inside = points.inside;
  Real* __restrict__ pairs = points.pairs;
  Real total = 0;
  for (int64_t block = 0; block < count; block += kBlock)
#pragma omp simd reduction(+ : total)
    for (int64_t i = block; i < block + kBlock; ++i) {
      const Real a = d0[i], b = d1[i], c = d2[i], d = d3[i];
      const Real upper = left[i] * a + right[i] * b, lower = left[i] * c + right[i] * d;
      const Real sample = top[i] * upper + bottom[i] * lower;
      const Real x = top[i] * (in_right[i] * b - in_left[i] * a) +
                     bottom[i] * (in_right[i] * d - in_left[i] * c);
      const Real y = in_bottom[i] * lower - in_top[i] * upper;
      d0[i] = weight[i] * x, d1[i] = weight[i] * y, d2[i] = sample;
      pairs[2 * i] = inside[i] ? d0[i] * scale_x[i] : Real(0);
      pairs[2 * i + 1] = inside[i] ? d1[i] * scale_y[i] : Real(0);
      total += sample * weight[i];
    }
  if (fused)
    for (int64_t block = 0; block < count; block += kBlock)
#pragma omp simd
      for (int64_t i = block; i < block + kBlock; ++i) d2[i] = weight[i] * (d2[i] - total);
  store_block(pairs, 2 * count, grad_points);
  store_block(d2, count, grad_scores);
}

// Adds up the points of each level; `grad` is (L, 2|4) of one query and head.
template <typename Raw, typename Real>
MSDA_INLINE void reference_gradient(const MsdaProblem& problem, const Points<Real>& points,
                                    const Raw* raw, Real* grad) {
  const int64_t size = problem.reference_size, per_level = problem.points_per_level;
  for (int64_t level = 0, i = 0; level < problem.levels; ++level, grad += size) {
    Real x = 0, y = 0, w = 0, h = 0;
    for (int64_t p = 0; p < per_level; ++p, ++i) {
      if (!points.inside[i]) continue;
      const Real along_x = points.dot[0][i] * points.width[i];
      const Real along_y = points.dot[1][i] * points.height[i];
      x += along_x, y += along_y;
      w += along_x * load(raw[2 * i]), h += along_y * load(raw[2 * i + 1]);
    }
    grad[0] = x, grad[1] = y;
    if (size == 4) grad[2] = w * Real(0.5) / per_level, grad[3] = h * Real(0.5) / per_level;
  }
}

template <typename T, typename Raw, typename Real>
MSDA_INLINE void backward_queries(const MsdaProblem& problem, int64_t image, int64_t head,
                                  Points<Real>& points, Real* table) {
  const int64_t heads = problem.heads, channels = problem.channels, count = points.count;
  const bool fused = problem.reference_size > 0;
  const int64_t reference_row = problem.levels * problem.reference_size;
  for (int64_t row = image * problem.queries; row < (image + 1) * problem.queries; ++row) {
    const int64_t item = row * heads + head;
    if (fused)
      place_reference(problem, static_cast<const Real*>(problem.reference) + row * reference_row,
                      points);
    const Raw* raw = static_cast<const Raw*>(problem.points) + item * count * 2;
    const Raw* scores = static_cast<const Raw*>(problem.scores) + item * count;
    const int64_t ahead = item + kQueriesAhead * heads;
    prefetch_range(static_cast<const Raw*>(problem.points) + ahead * count * 2, count * 2);
    prefetch_range(static_cast<const Raw*>(problem.scores) + ahead * count, count);
    prefetch_range(static_cast<const T*>(problem.grad_out) + ahead * channels, channels);
    prefetch_range(static_cast<const Raw*>(problem.grad_points) + ahead * count * 2, count * 2);
    prefetch_range(static_cast<const Raw*>(problem.grad_scores) + ahead * count, count);
    locate(fused, raw, scores, points);
    for (int64_t block = 0; block < count; block += kBlock)
      for (int64_t i = block; i < block + kBlock; ++i)
        points.dot[0][i] = points.dot[1][i] = points.dot[2][i] = points.dot[3][i] = 0;
    const T* grad_out = static_cast<const T*>(problem.grad_out) + item * channels;
    int64_t k = 0;
    for (; k + 32 <= channels; k += 32) scatter<32>(grad_out + k, table + k, channels, points);
    for (; k + 16 <= channels; k += 16) scatter<16>(grad_out + k, table + k, channels, points);
    for (; k + 4 <= channels; k += 4) scatter<4>(grad_out + k, table + k, channels, points);
    for (; k < channels; ++k) scatter<1>(grad_out + k, table + k, channels, points);
    point_gradients(fused, points, static_cast<Raw*>(problem.grad_points) + item * count * 2,
                    static_cast<Raw*>(problem.grad_scores) + item * count);
    if (problem.grad_reference)
      reference_gradient(problem, points, raw,
                         static_cast<Real*>(problem.grad_reference) + item * reference_row);
  }
}

template <typename T, typename Raw, typename Real>
MSDA_INLINE void backward_heads(const MsdaProblem& problem, int64_t begin, int64_t end,
                                char* memory) {
  Points<Real> points(problem, memory);
  const int64_t heads = problem.heads, channels = problem.channels;
  Real* table = reinterpret_cast<Real*>(memory + Points<Real>::bytes(points.count));
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t image = unit / heads, head = unit % heads;
    const int64_t first = (image * problem.tokens * heads + head) * channels;
    const T* value = static_cast<const T*>(problem.value) + first;
    T* grad_value = static_cast<T*>(problem.grad_value) + first;
    for (int64_t s = 0; s < problem.tokens; ++s) {
      Real* row = table + s * 2 * channels;
      prefetch(value + (s + kTokensAhead) * heads * channels);
      for (int64_t k = 0; k < channels; ++k) row[k] = load(value[s * heads * channels + k]);
      std::memset(row + channels, 0, channels * sizeof(Real));
    }
    backward_queries<T, Raw, Real>(problem, image, head, points, table);
    for (int64_t s = 0; s < problem.tokens; ++s) {
      const Real* row = table + s * 2 * channels + channels;
      for (int64_t k = 0; k < channels; ++k) store(grad_value[s * heads * channels + k], row[k]);
    }
  }
}

}  // namespace msda
