// `oneclick maintain --verify-audit`: whether the audit rows are those that were written.
#pragma once

#include <string>

namespace oneclick {

struct AuditReportArguments {
  std::string database_url;
  // Whose keys signed the chain's checkpoints; empty: signatures count as problems.
  std::string master_key_file;
  // Where the chains stood when this was last asked and held: compared with, then written anew.
  // Kept outside the database. Empty: none.
  std::string anchor_file;
  bool json = false;
};
// Progress on stderr, the report on stdout. Exit code 0 when everything holds, 1 when not, else as
// sysexits.
[[nodiscard]] int report_audit(const AuditReportArguments& arguments);

}  // namespace oneclick
