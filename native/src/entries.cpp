// The tier's table of kernels. Each entry sets the floating-point control word that the kernels are
// written for (round to nearest, no flushing of denormals, no traps) and restores the caller's: a
// host program's setting must not reach an example's numbers.
#include "tier.h"
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

PALIMPSEST_BEGIN

namespace {
class ControlWord {
 public:
  ControlWord() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~ControlWord() { _mm_setcsr(saved_); }
  ControlWord(const ControlWord&) = delete;
  ControlWord& operator=(const ControlWord&) = delete;

 private:
  unsigned saved_;
};

template <auto kernel>
struct Entry;
template <class... Args, int (*kernel)(Args...)>
struct Entry<kernel> {
  static int call(Args... args) {
    ControlWord word;
    return kernel(args...);
  }
};
}  // namespace

extern const palimpsest_kernels kKernels;
const palimpsest_kernels kKernels = {
#define KERNEL(stem, verb, parameters) &Entry<&stem##_##verb>::call,
#include "kernels.def"
#undef KERNEL
};

PALIMPSEST_END
