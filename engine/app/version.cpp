#include "engine/app/version.hpp"

namespace oneclick {

std::string_view version() {
  return ONECLICK_VERSION;
}
std::string_view commit() {
  return ONECLICK_COMMIT;
}

}  // namespace oneclick
