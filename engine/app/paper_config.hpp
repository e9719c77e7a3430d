// What the paper exchange is told, from one TOML file: [exchange], [limits], [[symbols]],
// [[accounts]],
// [[faults]]. Checked as strictly as the daemon's; see configs/paper-exchange.toml for every key.
// Its accounts' secrets are in the file: they open nothing but paper.
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "connectors/paper/paper.hpp"

namespace oneclick {

// Error: every problem, each naming place, key, value and what is allowed. Writes a certificate and
// its authority (ca.pem, cert.pem, key.pem) into exchange.certificate_folder where that is given
// and has none.
[[nodiscard]] std::expected<paper::PaperConfig, std::vector<std::string>> load_paper_config(
    const std::filesystem::path& file);

}  // namespace oneclick
