// Decimals as an order path uses them.
#include <benchmark/benchmark.h>

#include "engine/base/decimal.hpp"

namespace oneclick {
namespace {

void decimal_parse(benchmark::State& state) {
  const std::string text = "67123.45000000";
  Decimal out{};
  for (auto _ : state) {
    benchmark::DoNotOptimize(text.data());
    benchmark::DoNotOptimize(out = *Decimal::parse(text));
  }
  if (out.e8() != 6'712'345'000'000) state.SkipWithError("wrong value");
}
BENCHMARK(decimal_parse);

void decimal_write_fixed(benchmark::State& state) {
  Decimal value = Decimal::of("67123.45");
  char out[Decimal::text_size_max];
  std::size_t size = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(value);
    benchmark::DoNotOptimize(size = value.write_fixed(out, 2));
    benchmark::DoNotOptimize(out);
  }
  if (std::string_view(out, size) != "67123.45") state.SkipWithError("wrong text");
}
BENCHMARK(decimal_write_fixed);

// Money of ordinary size, and factors that need more than 64 bits.
void decimal_mul_div(benchmark::State& state) {
  const bool wide = state.range(0) != 0;
  Decimal a = Decimal::of(wide ? "999999999999.99999999" : "1.2345"), b = Decimal::of("37.5");
  const Decimal c = Decimal::of("100");
  Decimal out{};
  for (auto _ : state) {
    benchmark::DoNotOptimize(a);
    benchmark::DoNotOptimize(out = mul_div(a, b, c, Round::down));
  }
  if (out != Decimal::of(wide ? "374999999999.99999999" : "0.4629375"))
    state.SkipWithError("wrong product");
}
BENCHMARK(decimal_mul_div)->ArgName("wide")->Arg(0)->Arg(1);

void decimal_round_to_step(benchmark::State& state) {
  Decimal a = Decimal::of("0.46293751");
  const Decimal step = Decimal::of("0.00001");
  Decimal out{};
  for (auto _ : state) {
    benchmark::DoNotOptimize(a);
    benchmark::DoNotOptimize(out = round_to_step(a, step, Round::down));
  }
  if (out != Decimal::of("0.46293")) state.SkipWithError("wrong multiple");
}
BENCHMARK(decimal_round_to_step);

}  // namespace
}  // namespace oneclick
