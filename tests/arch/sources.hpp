// The project's own files, read as text.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace oneclick::test {

struct SourceFile {
  std::string path;  // from the repository's root
  std::vector<std::string> lines;
};

inline std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  return lines;
}

// Every file below these folders (and named files) whose name ends so, in order of path.
inline std::vector<SourceFile> files(const std::vector<std::string>& roots,
                                     const std::vector<std::string>& endings) {
  const std::filesystem::path root = SOURCE_DIR;
  std::vector<SourceFile> out;
  const auto add = [&](const std::filesystem::path& file) {
    const std::string name = file.filename().string();
    const bool wanted = endings.empty() || std::ranges::any_of(endings, [&](const std::string& e) {
                          return name.ends_with(e);
                        });
    if (wanted) out.push_back({file.lexically_relative(root).string(), lines_of(read_text(file))});
  };
  for (const std::string& name : roots) {
    if (std::filesystem::is_regular_file(root / name)) add(root / name);
    if (!std::filesystem::is_directory(root / name)) continue;
    for (auto i = std::filesystem::recursive_directory_iterator(root / name);
         i != std::filesystem::recursive_directory_iterator(); ++i) {
      if (i->is_directory() && i->path().filename() == "node_modules")
        i.disable_recursion_pending();
      if (i->is_regular_file()) add(i->path());
    }
  }
  std::ranges::sort(out, {}, &SourceFile::path);
  return out;
}

}  // namespace oneclick::test
