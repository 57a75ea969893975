// Sweep: what earlier runs left on a node, found and undone.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace faultline::live::agent {

// The run in this folder: {"run","node"} and {"live":true,"age_ms"} if its harness is heard of, else {"done":[…],"remaining":[…]} after
// undoing what it left. `force`: its harness is known to be dead, whatever it was heard of. Null: no run's folder.
nlohmann::json sweep_run(const std::filesystem::path& folder, bool force);

// Of every run that touched this node.
std::vector<nlohmann::json> sweep(const std::filesystem::path& state, const std::string& node);

}  // namespace faultline::live::agent
