// Facts: the short row under the sentence, and the configuration below; the same pairs in HTML and Markdown.
#pragma once

#include <string>
#include <vector>

#include <faultline/report.hpp>

namespace faultline::reports {

struct Fact {
  std::string label;  // ours, plain ASCII
  std::string value;  // harmless, but may come from the system under test
};

// Class · key · operations · fault · search · seed · started · version; those that are known.
std::vector<Fact> facts(const ReportInput& input);
// Everything else that was configured or measured.
std::vector<Fact> configuration(const ReportInput& input);
// "1 of 100 keys · register model · etcd 3.4.23 · 3 nodes".
std::string scope(const ReportInput& input);
// "3 operations without a legal order; relax any one, and there is one".
std::string minimality(const Anomaly& anomaly);

}  // namespace faultline::reports
