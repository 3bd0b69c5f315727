// Number types: what is stored, what sums are made in, and an exponential that vectorises.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__GNUC__)
#define MSDA_INLINE inline __attribute__((always_inline))
#elif defined(_MSC_VER)
#define MSDA_INLINE __forceinline
#define __restrict__ __restrict
#else
#define MSDA_INLINE inline
#endif

namespace msda {

struct bfloat16 {
  uint16_t bits;
};

template <typename T>
struct Accumulate {
  using type = T;
};
template <>
struct Accumulate<bfloat16> {
  using type = float;
};
template <typename T>
using accumulate_t = typename Accumulate<T>::type;

MSDA_INLINE float load(float x) { return x; }
MSDA_INLINE double load(double x) { return x; }
MSDA_INLINE float load(bfloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

MSDA_INLINE void store(float& to, float x) { to = x; }
MSDA_INLINE void store(double& to, double x) { to = x; }
MSDA_INLINE void store(bfloat16& to, float x) {  // round to nearest, ties to even; NaN stays NaN
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  to.bits = static_cast<uint16_t>(x == x ? rounded : 0x7fc0u);
}

MSDA_INLINE double exponential(double x) { return std::exp(x); }

// exp(x) for x <= 0 (a softmax after its maximum is taken off): x = n ln2 + r with |r| <= ln2 / 2,
// then the Taylor series of exp(r), whose remainder is below 2e-7 of the result. One constant for
// ln2 is enough: its error grows with n, while the weight shrinks with 2^n.
MSDA_INLINE float exponential(float x) {
  const float clamped = x < -87.0f ? -87.0f : x;
  const float n = std::floor(clamped * 1.44269504f + 0.5f);
  const float r = clamped - n * 0.693147181f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  // NaN compares false and would be an undefined conversion to int: it leaves by the last line.
  const int32_t exponent = static_cast<int32_t>(n > -200.0f ? n : 0.0f) + 127;
  const uint32_t bits = static_cast<uint32_t>(exponent) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof(power));
  return p * power;
}

}  // namespace msda
