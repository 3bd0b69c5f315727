// out(b, q, h) = sum over points of weight * bilinear sample of value(b, :, h).
#pragma once

#include "points.h"

namespace msda {

// `width` channels of one output row; the width is a constant so that the sums stay in registers
// over all points.
template <int width, typename T, typename Real>
MSDA_INLINE void gather(const T* value, int64_t stride, const Points<Real>& points, T* out) {
  Real sum[width] = {};
  for (int64_t i = 0; i < points.count; ++i) {
    if (!points.inside[i]) continue;
    const T* a = value + points.corner[0][i] * stride;
    const T* b = value + points.corner[1][i] * stride;
    const T* c = value + points.corner[2][i] * stride;
    const T* d = value + points.corner[3][i] * stride;
    const Real wa = points.factor[0][i], wb = points.factor[1][i];
    const Real wc = points.factor[2][i], wd = points.factor[3][i];
#pragma omp simd
    for (int k = 0; k < width; ++k)
      sum[k] += (wa * load(a[k]) + wb * load(b[k])) + (wc * load(c[k]) + wd * load(d[k]));
  }
  for (int k = 0; k < width; ++k) store(out[k], sum[k]);
}

template <typename T, typename Raw, typename Real>
MSDA_INLINE void forward_rows(const MsdaProblem& problem, int64_t begin, int64_t end,
                              char* memory) {
  Points<Real> points(problem, memory);
  const int64_t heads = problem.heads, channels = problem.channels, count = points.count;
  const int64_t stride = heads * channels;
  const bool fused = problem.reference_size > 0;
  const int64_t reference_row = problem.levels * problem.reference_size;
  for (int64_t row = begin; row < end; ++row) {  // one query of one image
    if (fused)
      place_reference(problem, static_cast<const Real*>(problem.reference) + row * reference_row,
                      points);
    const T* image = static_cast<const T*>(problem.value) +
                     row / problem.queries * problem.tokens * stride;
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t item = row * heads + head;
      locate(fused, static_cast<const Raw*>(problem.points) + item * count * 2,
             static_cast<const Raw*>(problem.scores) + item * count, points);
      const T* value = image + head * channels;
      T* out = static_cast<T*>(problem.out) + item * channels;
      int64_t k = 0;
      for (; k + 32 <= channels; k += 32) gather<32>(value + k, stride, points, out + k);
      for (; k + 16 <= channels; k += 16) gather<16>(value + k, stride, points, out + k);
      for (; k + 4 <= channels; k += 4) gather<4>(value + k, stride, points, out + k);
      for (; k < channels; ++k) gather<1>(value + k, stride, points, out + k);
    }
  }
}

}  // namespace msda
