#include "engine/app/version.hpp"

int main() { return oneclick::version().empty() ? 1 : 0; }
