// ebb-bench-sparse-rows: rows of sparse tables, compared with the bare work.
#include <CLI/CLI.hpp>
#include <iostream>

#include "bench/rows/sparse_rows_bench.h"

int main(int argc, char** argv) {
  ebb::bench::SparseRowsBenchOptions options;
  CLI::App app(
      "Measures pushes to and pulls from the rows of sparse tables, compared "
      "with a hash map into arrays; memory; cuts.\nExample: "
      "ebb-bench-sparse-rows --rows 10000000 --zipf 1.1",
      "ebb-bench-sparse-rows");
  app.add_option("--rows", options.rows, "Rows in all tables")
      ->capture_default_str();
  app.add_option("--tables", options.tables,
                 "Tables, each like one partition of a job's table")
      ->capture_default_str();
  app.add_option("--width", options.width, "Floats of a row")
      ->capture_default_str();
  app.add_option("--push-rows", options.push_rows,
                 "Distinct rows of a push or pull")
      ->capture_default_str();
  app.add_option("--zipf", options.zipf,
                 "Exponent of the rows' popularity; 0: all equally popular")
      ->capture_default_str();
  app.add_option("--staleness", options.staleness,
                 "Updates by which gradients are late for dynsgd; 0: sgd")
      ->capture_default_str();
  app.add_option("--pairs", options.pairs,
                 "Pairs; every figure is their median")
      ->capture_default_str();
  app.add_option("--pushes", options.pushes, "Pushes and pulls of a pair")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Seed of rows and values")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ebb::bench::RunSparseRowsBench(options, std::cout, std::cerr);
}
