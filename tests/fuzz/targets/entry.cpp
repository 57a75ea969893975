// libFuzzer's main calls this; FL_FUZZ_TARGET names the target.
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  faultline::fuzz::FL_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
