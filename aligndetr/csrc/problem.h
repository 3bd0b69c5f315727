// What one call is about; the layout is mirrored by aligndetr/layers/ms_deform_attn/cpp.py.
#pragma once

#include <cstdint>

extern "C" {

// Arrays are contiguous. Letters: B images, S tokens, Q queries, H heads, D channels a head,
// L levels, P points. `value` and what has its type are of the storage type T; "wide" is the type
// sums are made in (float32 for bfloat16, else T). Without a reference `points` are locations in
// [0, 1] and `scores` attention weights, both wide. With one they are offsets and logits, of
// type T.
struct MsdaProblem {
  int64_t batch, tokens, queries, heads, channels, levels, points_per_level;
  int64_t reference_size;  // 0: no reference; 2: points x, y; 4: boxes cx, cy, w, h
  int64_t threads;
  const int64_t* shapes;  // (L, 2): height, width
  const void* value;      // (B, S, H, D)
  const void* points;     // (B, Q, H, L, P, 2)
  const void* scores;     // (B, Q, H, L, P)
  const void* reference;  // (B, Q, L, reference_size), wide
  void* workspace;        // msda_workspace(...) bytes
  void* out;              // (B, Q, H, D)
  const void* grad_out;   // (B, Q, H, D)
  void* grad_value;       // (B, S, H, D)
  void* grad_points;      // as points
  void* grad_scores;      // as scores
  void* grad_reference;   // (B, Q, H, L, reference_size), wide, to be summed over H; may be null
};
}
