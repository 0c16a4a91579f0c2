// The model of a job whose parts are the results of tasks
// (docs/decisions/0029-other-workloads.md). It says which table they are stored
// in, and computes nothing: what it predicts is known once they are put
// together.
#ifndef EBB_MODELS_TASK_TABLE_MODEL_H_
#define EBB_MODELS_TASK_TABLE_MODEL_H_

#include <memory>
#include <string>

#include "models/model.h"

namespace ebb::models {

// Adds the table that has the results to a description of a model without any.
void AddTaskTable(const std::string& table, ModelDescription* description);

// The model that has this description. All else is Unimplemented.
std::unique_ptr<Model> MakeTaskTableModel(ModelDescription description);

}  // namespace ebb::models

#endif  // EBB_MODELS_TASK_TABLE_MODEL_H_
