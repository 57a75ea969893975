#include <cstdio>
#include <faultline/checker.hpp>
#include <faultline/models.hpp>

int main() {
  faultline::History h;
  auto w = h.invoke(0, "write", 1);
  h.ok(w);
  auto r = h.invoke(1, "read");
  h.ok(r, 0);
  auto v = faultline::check_linearizable(faultline::Register{0}, h);  // invalid, with the reason
  std::printf("%s\n%s\n", std::string(to_string(v.kind)).c_str(), v.reason.c_str());
  return v.kind == faultline::VerdictKind::invalid && !v.reason.empty() ? 0 : 1;
}
