// Entry points (plain C): multi-scale deformable attention, forward and backward.
#include "backward.h"
#include "forward.h"
#include "parallel.h"

// Each worker below exists once an instruction set and the loader picks one. That needs ifunc,
// which glibc has and musl, macOS and Windows have not; there the compiler's baseline is used.
#if !defined(MSDA_NO_CLONES) && defined(__x86_64__) && defined(__GLIBC__) && \
    defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define MSDA_CLONED 1
#define MSDA_CLONES \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), noinline))
#else
#define MSDA_CLONED 0
#define MSDA_CLONES
#endif

#if defined(_WIN32)
#define MSDA_EXPORT extern "C" __declspec(dllexport)
#else
#define MSDA_EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace {

using msda::bfloat16;

#define MSDA_WORKERS(name, T, Raw, Real)                                                     \
  MSDA_CLONES void forward_##name(const MsdaProblem& problem, int64_t begin, int64_t end,    \
                                  char* memory) {                                            \
    msda::forward_rows<T, Raw, Real>(problem, begin, end, memory);                           \
  }                                                                                          \
  MSDA_CLONES void backward_##name(const MsdaProblem& problem, int64_t begin, int64_t end,   \
                                   char* memory) {                                           \
    msda::backward_heads<T, Raw, Real>(problem, begin, end, memory);                         \
  }

MSDA_WORKERS(float, float, float, float)
MSDA_WORKERS(double, double, double, double)
MSDA_WORKERS(bfloat16, bfloat16, float, float)
MSDA_WORKERS(bfloat16_fused, bfloat16, bfloat16, float)

enum Type { kFloat = 0, kDouble = 1, kBfloat16 = 2 };

int64_t forward_bytes(const MsdaProblem& problem, int type) {
  const int64_t count = problem.levels * problem.points_per_level;
  return type == kDouble ? msda::Points<double>::bytes(count) : msda::Points<float>::bytes(count);
}

int64_t backward_bytes(const MsdaProblem& problem, int type) {
  return forward_bytes(problem, type) + (type == kDouble ? msda::table_bytes<double>(problem)
                                                         : msda::table_bytes<float>(problem));
}

using Worker = void (*)(const MsdaProblem&, int64_t, int64_t, char*);

void run(const MsdaProblem& problem, Worker worker, int64_t units, int64_t bytes) {
  char* memory = static_cast<char*>(problem.workspace);
  msda::parallel_for(units, problem.threads, [&](int64_t begin, int64_t end, int64_t thread) {
    worker(problem, begin, end, memory + thread * bytes);
  });
}

}  // namespace

MSDA_EXPORT int64_t msda_version() { return 1; }

// Name of the instruction set the loader chose.
MSDA_EXPORT const char* msda_instruction_set() {
#if MSDA_CLONED
  if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
  if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3";
#endif
  return "baseline";
}

MSDA_EXPORT const char* msda_threading() {
#if defined(_OPENMP)
  return "OpenMP";
#else
  return "std::thread";
#endif
}

// Bytes of workspace a call with this problem needs.
MSDA_EXPORT int64_t msda_workspace(const MsdaProblem* problem, int type, int backward) {
  const int64_t each = backward ? backward_bytes(*problem, type) : forward_bytes(*problem, type);
  const int64_t units = problem->batch * (backward ? problem->heads : problem->queries);
  return each * std::min(problem->threads, units);
}

MSDA_EXPORT void msda_forward(const MsdaProblem* problem, int type) {
  const bool fused = problem->reference_size > 0;
  const Worker worker = type == kFloat    ? forward_float
                        : type == kDouble ? forward_double
                        : fused           ? forward_bfloat16_fused
                                          : forward_bfloat16;
  run(*problem, worker, problem->batch * problem->queries, forward_bytes(*problem, type));
}

MSDA_EXPORT void msda_backward(const MsdaProblem* problem, int type) {
  const bool fused = problem->reference_size > 0;
  const Worker worker = type == kFloat    ? backward_float
                        : type == kDouble ? backward_double
                        : fused           ? backward_bfloat16_fused
                                          : backward_bfloat16;
  run(*problem, worker, problem->batch * problem->heads, backward_bytes(*problem, type));
}
