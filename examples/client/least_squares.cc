// Least squares in a loop of one's own: ebb gives out the examples, keeps the
// model, and applies each gradient exactly once. See README.md beside this.
#include <ebb/client.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: least_squares SCHEDULER JOB FILE.csv\n";
    return 2;
  }
  std::vector<std::vector<float>> rows;  // Features, then the label.
  std::ifstream file(argv[3]);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    rows.emplace_back();
    for (std::string field; std::getline(fields, field, ',');) {
      rows.back().push_back(std::stof(field));
    }
  }

  ebb::Client client({.scheduler = argv[1]});
  absl::StatusOr<ebb::JoinedJob> job = client.Join(argv[2]);
  absl::Status status = job.status();
  int64_t computed = 0;
  if (status.ok()) {
    std::vector<float> model(job->parameters()), gradient(job->parameters());
    for (ebb::Batch& batch : job->Batches()) {
      if (status = batch.Pull(model); !status.ok()) break;
      std::fill(gradient.begin(), gradient.end(), 0);
      double loss = 0;
      for (int64_t number : batch.examples()) {
        const std::vector<float>& row = rows.at(number);
        // The tables in the order of their names: the bias, and the weights.
        float error = model[0] - row.back();
        for (size_t w = 1; w < model.size(); ++w)
          error += model[w] * row[w - 1];
        gradient[0] += error;
        for (size_t w = 1; w < model.size(); ++w)
          gradient[w] += error * row[w - 1];
        loss += error * error / 2;
      }
      if (status = batch.Push(gradient, loss); !status.ok()) break;
      computed += batch.size();
    }
    if (status.ok()) status = job->status();
  }
  std::cout << "computed " << computed << " examples: " << status << "\n";
  return status.ok() ? 0 : 1;
}
