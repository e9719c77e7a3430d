#include "engine/app/secret_file.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace oneclick {

std::expected<std::string, std::string> read_secret_line(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::unexpected(std::string(std::strerror(errno)));
  if (!S_ISREG(info.st_mode)) return std::unexpected("not a plain file");
  if ((info.st_mode & S_IRWXO) != 0) return std::unexpected("everyone can read it");
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line) || line.empty())
    return std::unexpected("no first line, or an empty one");
  return line;
}

}  // namespace oneclick
