// Split a range of independent units of work over threads.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(_OPENMP)
#include <omp.h>
#else
#include <thread>
#include <vector>
#endif

namespace msda {

// Calls work(begin, end, thread) on disjoint parts of [0, count) with thread < threads.
template <typename Work>
void parallel_for(int64_t count, int64_t threads, const Work& work) {
  threads = std::min(threads, count);
  const auto part = [&](int64_t thread) {
    work(count * thread / threads, count * (thread + 1) / threads, thread);
  };
  if (threads <= 1) {
    if (count > 0) work(int64_t{0}, count, int64_t{0});
    return;
  }
#if defined(_OPENMP)
#pragma omp parallel for schedule(static, 1) num_threads(static_cast<int>(threads))
  for (int64_t thread = 0; thread < threads; ++thread) part(thread);
#else
  std::vector<std::thread> pool;
  for (int64_t thread = 1; thread < threads; ++thread) pool.emplace_back(part, thread);
  part(0);
  for (auto& worker : pool) worker.join();
#endif
}

}  // namespace msda
